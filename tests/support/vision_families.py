"""Small random models of the families on the official leaderboard, with their processors."""

import transformers as tf

MEAN_STD = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SMALL = {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]}
DETR = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "num_queries": 10,
    "num_labels": 91,
}


def square(edge):
    return {"size": {"height": edge, "width": edge}}


def shortest(edge, **more):
    return {"size": {"shortest_edge": edge}, **more}


def cropped(edge, crop):
    return shortest(edge, crop_size={"height": crop, "width": crop})


def resnet():
    return tf.ResNetConfig(embedding_size=8, **SMALL, out_features=["stage4"])


CLASSIFIERS = {
    "vit": lambda: (
        tf.ViTConfig(**VIT, image_size=32, patch_size=8),
        tf.ViTImageProcessorPil(**square(32)),
    ),
    "mobilevit": lambda: (
        tf.MobileViTConfig(
            image_size=64, hidden_sizes=[16, 16, 16], neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16]
        ),
        tf.MobileViTImageProcessorPil(**cropped(72, 64)),
    ),
    "perceiver": lambda: (
        tf.PerceiverConfig(
            num_latents=8,
            d_latents=32,
            num_blocks=1,
            num_self_attends_per_block=1,
            num_self_attention_heads=2,
            num_cross_attention_heads=1,
            architectures=["PerceiverForImageClassificationConvProcessing"],
        ),
        tf.PerceiverImageProcessorPil(
            **square(224), crop_size={"height": 256, "width": 256}, **MEAN_STD
        ),
    ),
    "convnext": lambda: (
        tf.ConvNextConfig(**SMALL),
        tf.ConvNextImageProcessorPil(**shortest(64), crop_pct=0.875, **MEAN_STD),
    ),
    "bit": lambda: (
        tf.BitConfig(embedding_size=32, hidden_sizes=[128, 128], depths=[1, 1]),
        tf.BitImageProcessorPil(**cropped(64, 64)),
    ),
    "efficientnet": lambda: (
        tf.EfficientNetConfig(
            image_size=64, width_coefficient=0.25, depth_coefficient=0.1, hidden_dim=320
        ),
        tf.EfficientNetImageProcessorPil(**square(64)),
    ),
    "mobilenet_v2": lambda: (
        tf.MobileNetV2Config(depth_multiplier=0.25, image_size=64),
        tf.MobileNetV2ImageProcessorPil(**cropped(72, 64)),
    ),
    "beit": lambda: (
        tf.BeitConfig(**VIT, image_size=32, patch_size=8, use_relative_position_bias=True),
        tf.BeitImageProcessorPil(**square(32), do_center_crop=False),
    ),
    "resnet": lambda: (resnet(), tf.ConvNextImageProcessorPil(**shortest(64), **MEAN_STD)),
    "swin": lambda: (
        tf.SwinConfig(image_size=32, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4),
        tf.ViTImageProcessorPil(**square(32), **MEAN_STD),
    ),
    "swinv2": lambda: (
        tf.Swinv2Config(
            image_size=32, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4
        ),
        tf.ViTImageProcessorPil(**square(32), **MEAN_STD),
    ),
    "segformer": lambda: (
        tf.SegformerConfig(
            hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 2],
            decoder_hidden_size=16,
        ),
        tf.SegformerImageProcessorPil(**square(64), **MEAN_STD),
    ),
}  # fmt: skip

DETECTORS = {
    "yolos": lambda: (
        tf.YolosConfig(**VIT, image_size=[64, 96], num_detection_tokens=10, num_labels=91),
        tf.YolosImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 107}),
    ),
    "detr": lambda: (
        tf.DetrConfig(backbone_config=resnet(), **DETR),
        tf.DetrImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 213}),
    ),
    "conditional_detr": lambda: (
        tf.ConditionalDetrConfig(backbone_config=resnet(), **DETR),
        tf.ConditionalDetrImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 213}),
    ),
}


def save_model(family, folder):
    """A small random model of that family with its processor, as `save_pretrained` writes them.

    Its weights are large and its normalization fits them, so that what it says depends on the
    image: fresh ones of deep families give next to nothing, whatever they are shown.
    """
    import torch

    config, processor = (CLASSIFIERS | DETECTORS)[family]()
    torch.manual_seed(0)
    if family in CLASSIFIERS:
        model = tf.AutoModelForImageClassification.from_config(config)
        for weights in model.parameters():
            if weights.dim() > 1:
                torch.nn.init.kaiming_normal_(weights)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        edge = getattr(config, "image_size", 64) if family != "perceiver" else 224
        with torch.no_grad():
            model.train()(pixel_values=torch.randn(4, 3, edge, edge))
    else:
        model = tf.AutoModelForObjectDetection.from_config(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
