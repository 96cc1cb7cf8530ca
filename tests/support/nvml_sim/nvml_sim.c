/*
 * A simulated libnvidia-ml.so.1 for machines without a GPU.
 *
 * The state of every device is a pure function of CLOCK_MONOTONIC and of the file named by
 * NVML_SIM_CONFIG, so all processes see the same device at the same time. The file is read again
 * when its identity (inode, size, mtime) changes; it is looked at most every 5 ms.
 *
 *   cc -shared -fPIC -O2 -o libnvidia-ml.so.1 nvml_sim.c -Wl,-soname,libnvidia-ml.so.1 \
 *      -lpthread -lm
 *
 * -DNVML_SIM_OMIT_TOTAL_ENERGY and -DNVML_SIM_OMIT_FIELD_VALUES leave those symbols out.
 *
 * Config: lines "key value", '#' starts a comment, "[gpu]" starts the next device. S are seconds
 * after origin_ns; windows are FROM <= now < TO; W are watts.
 *
 *   origin_ns NS, init_error CODE, driver_version TEXT            (before the first [gpu])
 *   uuid, name, pci_bus_id, power_limit_w, power_limit_change S W (may repeat)
 *   power_schedule S:W S:W ...    or    wave LOW_W HIGH_W PERIOD_S DUTY (high first)
 *   update_period_ms, update_phase_ms   (0 ms: continuous; applies to all power and energy)
 *   counter on|unsupported|frozen, counter_offset_mj, counter_gain
 *   counter_frozen_after_s ("counter frozen" alone: from 0 s), counter_reset_after_s
 *   power on|unsupported, instant_power on|unsupported, power_gain
 *   module_w (a superchip: the counter, nvmlDeviceGetPowerUsage and scope 1 have that much more)
 *   energy_latency_ms, power_latency_ms, status_latency_ms, latency spin|sleep
 *   lost_after_s, clocks_event_reasons HEX [FROM [TO]], process PID USED_MB [FROM [TO]]
 *   set_limit on|unsupported|denied|ignored (what comes of nvmlDeviceSetPowerManagementLimit)
 *   mig, vgpu, memory_total_mb, memory_used_mb, temperature_c, sm_clock_mhz, mem_clock_mhz,
 *   persistence, ecc, compute_mode, utilization, architecture, compute_capability MAJOR.MINOR
 *
 * A call with a latency holds its GPU's lock for so long, against all processes, and spins or sleeps
 * meanwhile, as drivers do. It gives the state in the middle of that time: where in a call a real
 * driver takes it nobody knows, and so whoever reads can be wrong by half a call at most.
 *
 * A limit that is set is kept in the file "CONFIG.limits", for all processes and beyond their ends,
 * and no power of a schedule (of a wave it does) is above it from then on.
 *
 * Energies are integers in uW*ns (1e-15 J) until the last division: no rounding accumulates.
 */
#define _GNU_SOURCE
#include <locale.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- The part of the NVML ABI that is served ------------------------------------------------ */

#define EXPORT __attribute__((visibility("default")))
#define MAYBE_UNUSED __attribute__((unused)) /* depends on which symbols are left out */

typedef unsigned int nvmlReturn_t;
enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    VERSION_MISMATCH = 25,
    UNKNOWN = 999,
};

typedef struct handle { unsigned int index; } *nvmlDevice_t;

typedef struct {
    char busIdLegacy[16];
    unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;

typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct {
    unsigned int version;
    unsigned long long total, reserved, free, used;
} nvmlMemory_v2_t;

typedef union {
    double dVal;
    unsigned int uiVal;
    unsigned long ulVal;
    unsigned long long ullVal;
    long long sllVal;
} nvmlValue_t;

typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    unsigned int valueType;
    nvmlReturn_t nvmlReturn;
    nvmlValue_t value;
} nvmlFieldValue_t;

typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId, computeInstanceId;
} nvmlProcessInfo_t;

typedef struct { unsigned int gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned int version, sensorType; int temperature; } nvmlTemperature_t;

_Static_assert(sizeof(nvmlPciInfo_t) == 68, "nvmlPciInfo_t");
_Static_assert(sizeof(nvmlMemory_v2_t) == 40, "nvmlMemory_v2_t");
_Static_assert(sizeof(nvmlFieldValue_t) == 40, "nvmlFieldValue_t");
_Static_assert(sizeof(nvmlProcessInfo_t) == 24, "nvmlProcessInfo_t");
_Static_assert(sizeof(nvmlTemperature_t) == 12, "nvmlTemperature_t");

#define FI_TOTAL_ENERGY 83
#define FI_POWER_AVERAGE 185
#define FI_POWER_INSTANT 186
#define FI_POWER_MIN_LIMIT 187
#define FI_POWER_MAX_LIMIT 188
#define FI_POWER_DEFAULT_LIMIT 189
#define FI_POWER_CURRENT_LIMIT 190
#define TYPE_UINT 1
#define TYPE_ULONGLONG 3
#define ARCH_AMPERE 7
#define ALL_EVENT_REASONS 0x1FFULL

/* ---- Configuration -------------------------------------------------------------------------- */

#define MAX_GPUS 64
#define MAX_ITEMS 64
#define SECOND 1000000000LL
#define CHECK_NS 5000000LL
#define NEVER INT64_MAX
#define MIB (1024ULL * 1024ULL)

typedef __int128 wide; /* uW*ns, or that times a gain in units of 1e-9 */

enum { ON, UNSUPPORTED, FROZEN, DENIED, IGNORED };
enum { SLEEP, SPIN };

struct step { int64_t t_ns, uw; wide before; };
struct window { int64_t from, to; };
struct reasons { unsigned long long mask; struct window when; };
struct process { unsigned int pid; unsigned long long bytes; struct window when; };
struct limit { int64_t from, uw; };

struct gpu {
    char uuid[96], name[96], pci_bus_id[32];
    unsigned int domain, bus, device;
    int64_t power_limit_uw;
    struct step *steps; /* NULL: a square wave */
    size_t n_steps;
    int64_t low_uw, high_uw, wave_ns, high_ns;
    int64_t update_period_ns, update_phase_ns;
    int64_t counter_offset_mj, counter_frozen_ns, counter_reset_ns, lost_ns;
    int64_t counter_gain, power_gain; /* in units of 1e-9 */
    int64_t counter, power, instant_power, set_limit;
    int64_t module_uw; /* what the rest of the module takes; 0: there is no module */
    int64_t energy_latency_ns, power_latency_ns, status_latency_ns, latency;
    struct limit limits[MAX_ITEMS];
    struct reasons reasons[MAX_ITEMS];
    struct process processes[MAX_ITEMS];
    size_t n_limits, n_reasons, n_processes;
    int64_t mig, vgpu, memory_total_mb, memory_used_mb, temperature_c, sm_clock_mhz, mem_clock_mhz;
    int64_t persistence, ecc, compute_mode, utilization, architecture;
    unsigned int cc_major, cc_minor;
};

struct config {
    int64_t origin_ns, init_error;
    char driver_version[80];
    size_t n_gpus;
    struct gpu gpus[]; /* MAX_GPUS of them while parsing, n_gpus afterwards */
};

/* Replaced configurations are never freed: a concurrent reader may still hold one. */
static _Atomic(const struct config *) current;
static _Atomic int64_t last_check;
static _Atomic int references;
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static char config_path[4096];     /* guarded by load_lock */
static struct stat config_stat;    /* guarded by load_lock */
static off_t limits_bytes;         /* guarded by load_lock: of the file of limits, when read */
static struct handle handles[MAX_GPUS];
static pthread_mutex_t gpu_locks[MAX_GPUS] = {[0 ... MAX_GPUS - 1] = PTHREAD_MUTEX_INITIALIZER};
static _Atomic int lock_file = -1; /* a byte of it for each GPU, for the other processes */

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("nvml_sim: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static locale_t c_locale; /* guarded by load_lock */

/* A finite decimal number times scale, rounded to an integer. */
static int parse_scaled(const char *text, double scale, int64_t *out) {
    char *end;
    if (!text || !*text) return 0;
    double value = strtod_l(text, &end, c_locale) * scale;
    if (*end || end == text || !isfinite(value) || fabs(value) > 9e18) return 0;
    *out = llround(value);
    return 1;
}

static int parse_integer(const char *text, int64_t *out) {
    char *end;
    if (!text || !*text) return 0;
    long long value = strtoll(text, &end, 10);
    if (*end) return 0;
    *out = value;
    return 1;
}

static int parse_window(char **rest, struct window *when) {
    when->from = INT64_MIN;
    when->to = NEVER;
    char *text = strtok_r(NULL, " \t", rest);
    if (text && !parse_scaled(text, 1e9, &when->from)) return 0;
    text = text ? strtok_r(NULL, " \t", rest) : NULL;
    if (text && !parse_scaled(text, 1e9, &when->to)) return 0;
    return !strtok_r(NULL, " \t", rest);
}

static int parse_state(const char *text, int64_t *out) {
    if (!strcmp(text, "on")) *out = ON;
    else if (!strcmp(text, "unsupported")) *out = UNSUPPORTED;
    else if (!strcmp(text, "frozen")) *out = FROZEN;
    else if (!strcmp(text, "denied")) *out = DENIED;
    else if (!strcmp(text, "ignored")) *out = IGNORED;
    else if (!strcmp(text, "sleep")) *out = SLEEP;
    else if (!strcmp(text, "spin")) *out = SPIN;
    else return 0;
    return 1;
}

static int parse_pci(const char *text, unsigned int *domain, unsigned int *bus,
                     unsigned int *device) {
    unsigned int function;
    int used = 0;
    if (sscanf(text, "%x:%x:%x.%x%n", domain, bus, device, &function, &used) == 4 && !text[used])
        return 1;
    *domain = 0;
    return sscanf(text, "%x:%x.%x%n", bus, device, &function, &used) == 3 && !text[used];
}

static int parse_schedule(struct gpu *g, char *text) {
    size_t n = 0, room = 2;
    char *rest;
    for (const char *c = text; *c; c++) room += *c == ':';
    struct step *steps = calloc(room, sizeof *steps);
    if (!steps) return 0;
    for (char *item = strtok_r(text, " \t", &rest); item; item = strtok_r(NULL, " \t", &rest)) {
        char *colon = strchr(item, ':');
        if (!colon) goto bad;
        *colon = 0;
        struct step *s = &steps[n];
        if (!parse_scaled(item, 1e9, &s->t_ns) || !parse_scaled(colon + 1, 1e6, &s->uw)) goto bad;
        if (s->uw < 0 || (n && s->t_ns <= s[-1].t_ns)) goto bad;
        if (n) s->before = s[-1].before + (wide)(s->t_ns - s[-1].t_ns) * s[-1].uw;
        n++;
    }
    if (!n) goto bad;
    free(g->steps);
    g->steps = steps;
    g->n_steps = n;
    return 1;
bad:
    free(steps);
    return 0;
}

static int parse_wave(struct gpu *g, char *text) {
    char *rest, *item = strtok_r(text, " \t", &rest);
    int64_t *values[] = {&g->low_uw, &g->high_uw, &g->wave_ns, &g->high_ns};
    for (int i = 0; i < 4; i++, item = strtok_r(NULL, " \t", &rest)) {
        double scale = i < 2 ? 1e6 : i == 2 ? 1e9 : (double)g->wave_ns;
        if (!parse_scaled(item, scale, values[i]) || *values[i] < 0) return 0;
    }
    if (item || g->wave_ns <= 0 || g->high_ns > g->wave_ns) return 0;
    free(g->steps);
    g->steps = NULL;
    return 1;
}

static int parse_list_item(struct gpu *g, const char *key, char *text) {
    char *rest, *end, *first = strtok_r(text, " \t", &rest);
    if (!strcmp(key, "clocks_event_reasons")) {
        if (g->n_reasons == MAX_ITEMS) return 0;
        struct reasons *r = &g->reasons[g->n_reasons++];
        r->mask = strtoull(first, &end, 16);
        return !*end && parse_window(&rest, &r->when);
    }
    if (!strcmp(key, "process")) {
        int64_t pid, bytes;
        if (g->n_processes == MAX_ITEMS) return 0;
        struct process *p = &g->processes[g->n_processes++];
        if (!parse_integer(first, &pid)) return 0;
        if (!parse_scaled(strtok_r(NULL, " \t", &rest), (double)MIB, &bytes)) return 0;
        p->pid = (unsigned int)pid;
        p->bytes = (unsigned long long)bytes;
        return parse_window(&rest, &p->when);
    }
    if (g->n_limits == MAX_ITEMS) return 0;
    struct limit *l = &g->limits[g->n_limits++];
    return parse_scaled(first, 1e9, &l->from) &&
           parse_scaled(strtok_r(NULL, " \t", &rest), 1e6, &l->uw) && l->uw >= 0 &&
           !strtok_r(NULL, " \t", &rest);
}

enum kind { TEXT, INTEGER, STATE, PCI, LIST, SCHEDULE, WAVE, CAPABILITY, SCALED };

static const struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    double scale; /* SCALED: unit of the file to unit of the field; TEXT: size of the field */
} gpu_keys[] = {
#define F(field) offsetof(struct gpu, field)
    {"uuid", TEXT, F(uuid), 96},
    {"name", TEXT, F(name), 96},
    {"pci_bus_id", PCI, F(pci_bus_id), 32},
    {"power_schedule", SCHEDULE, 0, 0},
    {"wave", WAVE, 0, 0},
    {"clocks_event_reasons", LIST, 0, 0},
    {"process", LIST, 0, 0},
    {"power_limit_change", LIST, 0, 0},
    {"compute_capability", CAPABILITY, 0, 0},
    {"counter", STATE, F(counter), 0},
    {"power", STATE, F(power), 0},
    {"instant_power", STATE, F(instant_power), 0},
    {"set_limit", STATE, F(set_limit), 0},
    {"latency", STATE, F(latency), 0},
    {"energy_latency_ms", SCALED, F(energy_latency_ns), 1e6},
    {"power_latency_ms", SCALED, F(power_latency_ns), 1e6},
    {"status_latency_ms", SCALED, F(status_latency_ns), 1e6},
    {"power_limit_w", SCALED, F(power_limit_uw), 1e6},
    {"module_w", SCALED, F(module_uw), 1e6},
    {"update_period_ms", SCALED, F(update_period_ns), 1e6},
    {"update_phase_ms", SCALED, F(update_phase_ns), 1e6},
    {"counter_gain", SCALED, F(counter_gain), 1e9},
    {"power_gain", SCALED, F(power_gain), 1e9},
    {"counter_frozen_after_s", SCALED, F(counter_frozen_ns), 1e9},
    {"counter_reset_after_s", SCALED, F(counter_reset_ns), 1e9},
    {"lost_after_s", SCALED, F(lost_ns), 1e9},
    {"counter_offset_mj", INTEGER, F(counter_offset_mj), 0},
    {"mig", INTEGER, F(mig), 0},
    {"vgpu", INTEGER, F(vgpu), 0},
    {"memory_total_mb", INTEGER, F(memory_total_mb), 0},
    {"memory_used_mb", INTEGER, F(memory_used_mb), 0},
    {"temperature_c", INTEGER, F(temperature_c), 0},
    {"sm_clock_mhz", INTEGER, F(sm_clock_mhz), 0},
    {"mem_clock_mhz", INTEGER, F(mem_clock_mhz), 0},
    {"persistence", INTEGER, F(persistence), 0},
    {"ecc", INTEGER, F(ecc), 0},
    {"compute_mode", INTEGER, F(compute_mode), 0},
    {"utilization", INTEGER, F(utilization), 0},
    {"architecture", INTEGER, F(architecture), 0},
#undef F
};

static int parse_text(char *field, size_t size, const char *text) {
    if (strlen(text) >= size) return 0;
    strcpy(field, text);
    return 1;
}

static int parse_gpu_key(struct gpu *g, const char *key, char *text) {
    for (size_t i = 0; i < sizeof gpu_keys / sizeof *gpu_keys; i++) {
        const struct key *k = &gpu_keys[i];
        if (strcmp(k->name, key)) continue;
        void *field = (char *)g + k->offset;
        int used = 0;
        switch (k->kind) {
            case TEXT: return parse_text(field, (size_t)k->scale, text);
            case INTEGER: return parse_integer(text, field);
            case STATE: return parse_state(text, field);
            case SCALED:
                /* A negative duration or gain makes no sense, a negative phase or instant does. */
                return parse_scaled(text, k->scale, field) &&
                       (*(int64_t *)field >= 0 || strstr(key, "_after_s") ||
                        !strcmp(key, "update_phase_ms"));
            case PCI:
                return parse_pci(text, &g->domain, &g->bus, &g->device) &&
                       parse_text(field, (size_t)k->scale, text);
            case LIST: return parse_list_item(g, key, text);
            case SCHEDULE: return parse_schedule(g, text);
            case WAVE: return parse_wave(g, text);
            case CAPABILITY:
                return sscanf(text, "%u.%u%n", &g->cc_major, &g->cc_minor, &used) == 2 &&
                       !text[used];
        }
    }
    return 0;
}

static int parse_global_key(struct config *c, const char *key, const char *text) {
    if (!strcmp(key, "origin_ns")) return parse_integer(text, &c->origin_ns);
    if (!strcmp(key, "init_error")) return parse_integer(text, &c->init_error);
    if (!strcmp(key, "driver_version"))
        return parse_text(c->driver_version, sizeof c->driver_version, text);
    return 0;
}

static int new_gpu(struct config *c) {
    if (c->n_gpus == MAX_GPUS) return 0;
    unsigned int index = (unsigned int)c->n_gpus++;
    struct gpu *g = &c->gpus[index];
    char schedule[] = "0:100", pci[32];
    *g = (struct gpu){
        .name = "NVIDIA H100 80GB HBM3", .power_limit_uw = 700000000,
        .update_period_ns = 20000000, .counter_frozen_ns = NEVER, .counter_reset_ns = NEVER,
        .lost_ns = NEVER, .counter_gain = SECOND, .power_gain = SECOND,
        .memory_total_mb = 81559, .memory_used_mb = 4, .temperature_c = 35,
        .sm_clock_mhz = 1980, .mem_clock_mhz = 2619, .persistence = 1, .ecc = 1,
        .architecture = 9, .cc_major = 9,
    };
    snprintf(g->uuid, sizeof g->uuid, "GPU-%08x-0000-4000-8000-%012x", index, index);
    snprintf(pci, sizeof pci, "00000000:%02X:00.0", index + 1);
    return parse_gpu_key(g, "pci_bus_id", pci) && parse_schedule(g, schedule);
}

static void discard(struct config *c) {
    for (size_t i = 0; i < c->n_gpus; i++) free(c->gpus[i].steps);
    free(c);
}

static struct config *parse(FILE *file) {
    struct config *c = calloc(1, sizeof *c + MAX_GPUS * sizeof(struct gpu));
    char *line = NULL;
    size_t room = 0;
    int number = 0, good = c != NULL;
    if (c) strcpy(c->driver_version, "570.86.15");
    while (good && getline(&line, &room, file) >= 0) {
        number++;
        line[strcspn(line, "#\r\n")] = 0;
        char *key = line + strspn(line, " \t");
        for (char *end = key + strlen(key); end > key && strchr(" \t", end[-1]);) *--end = 0;
        if (!*key) continue;
        if (!strcmp(key, "[gpu]")) {
            good = new_gpu(c);
        } else {
            char *text = key + strcspn(key, " \t");
            if (*text) *text++ = 0;
            text += strspn(text, " \t");
            good = *text && (c->n_gpus ? parse_gpu_key(&c->gpus[c->n_gpus - 1], key, text)
                                       : parse_global_key(c, key, text));
        }
        if (!good) complain("%s:%d: cannot use '%s'", config_path, number, key);
    }
    free(line);
    if (good) {
        struct config *fit = realloc(c, sizeof *c + c->n_gpus * sizeof(struct gpu));
        return fit ? fit : c;
    }
    if (c) discard(c);
    return NULL;
}

static int same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void limits_path(char *path, size_t room) { snprintf(path, room, "%s.limits", config_path); }

/* From t on no power of the schedule is above the limit; `whole` is the schedule without limits. */
static void cap(struct gpu *g, const struct step *whole, size_t n_whole, int64_t t, int64_t uw) {
    struct step *steps = calloc(g->n_steps + n_whole + 1, sizeof *steps);
    size_t n = 0;
    int64_t level = whole[0].uw;
    for (size_t i = 0; i < g->n_steps && g->steps[i].t_ns < t; i++) steps[n++] = g->steps[i];
    for (size_t i = 0; i < n_whole && whole[i].t_ns <= t; i++) level = whole[i].uw;
    steps[n++] = (struct step){.t_ns = t, .uw = level < uw ? level : uw};
    for (size_t i = 0; i < n_whole; i++)
        if (whole[i].t_ns > t)
            steps[n++] = (struct step){.t_ns = whole[i].t_ns,
                                       .uw = whole[i].uw < uw ? whole[i].uw : uw};
    for (size_t i = 1; i < n; i++)
        steps[i].before =
            steps[i - 1].before + (wide)(steps[i].t_ns - steps[i - 1].t_ns) * steps[i - 1].uw;
    free(g->steps);
    g->steps = steps;
    g->n_steps = n;
}

/* Under load_lock: what was set, line by line "INDEX NS UW", NS of CLOCK_MONOTONIC. */
static void apply_limits(struct config *c) {
    struct step *whole[MAX_GPUS] = {NULL};
    size_t n_whole[MAX_GPUS];
    char path[sizeof config_path + 8];
    limits_path(path, sizeof path);
    FILE *file = fopen(path, "re");
    size_t index;
    long long at, uw;
    while (file && fscanf(file, "%zu %lld %lld\n", &index, &at, &uw) == 3) {
        if (index >= c->n_gpus) continue;
        struct gpu *g = &c->gpus[index];
        if (g->n_limits == MAX_ITEMS) complain("more limits than there is room for");
        else g->limits[g->n_limits++] = (struct limit){.from = at - c->origin_ns, .uw = uw};
        if (!g->steps) continue;
        if (!whole[index]) {
            n_whole[index] = g->n_steps;
            whole[index] = memcpy(calloc(g->n_steps, sizeof **whole), g->steps,
                                  g->n_steps * sizeof **whole);
        }
        cap(g, whole[index], n_whole[index], at - c->origin_ns, uw);
    }
    if (file) fclose(file);
    for (size_t i = 0; i < MAX_GPUS; i++) free(whole[i]);
}

/* Under load_lock. A file that cannot be read or parsed leaves the last good one in force. */
static void reload(void) {
    struct stat seen, limits = {.st_size = 0};
    char path[sizeof config_path + 8];
    limits_path(path, sizeof path);
    if (stat(path, &limits)) limits.st_size = 0;
    if (stat(config_path, &seen)) return;
    if (same_file(&seen, &config_stat) && limits.st_size == limits_bytes) return;
    FILE *file = fopen(config_path, "re");
    if (!file) return;
    if (!c_locale) c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!fstat(fileno(file), &seen)) {
        config_stat = seen;
        limits_bytes = limits.st_size;
        struct config *c = parse(file);
        if (c) apply_limits(c);
        if (c) atomic_store(&current, c);
    }
    fclose(file);
}

static const struct config *configuration(int64_t now) {
    int64_t last = atomic_load_explicit(&last_check, memory_order_relaxed);
    if (now - last >= CHECK_NS && atomic_compare_exchange_strong(&last_check, &last, now) &&
        !pthread_mutex_trylock(&load_lock)) {
        reload();
        pthread_mutex_unlock(&load_lock);
    }
    return atomic_load(&current);
}

/* ---- The device model ----------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* The step in force at t; the first also holds before it begins. */
static const struct step *step_at(const struct gpu *g, int64_t t) {
    size_t low = 0, high = g->n_steps;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (g->steps[middle].t_ns <= t) low = middle;
        else high = middle;
    }
    return &g->steps[low];
}

/* The antiderivative of the power at t, in uW*ns; only differences mean anything. */
static wide area(const struct gpu *g, int64_t t) {
    if (g->steps) {
        const struct step *s = step_at(g, t);
        return s->before + (wide)(t - s->t_ns) * s->uw;
    }
    int64_t whole = floor_div(t, g->wave_ns), part = t - whole * g->wave_ns;
    int64_t high = part < g->high_ns ? part : g->high_ns;
    wide cycle = (wide)g->high_uw * g->high_ns + (wide)g->low_uw * (g->wave_ns - g->high_ns);
    return cycle * whole + (wide)g->high_uw * high + (wide)g->low_uw * (part - high);
}

MAYBE_UNUSED static int64_t power_uw(const struct gpu *g, int64_t t) {
    if (g->steps) return step_at(g, t)->uw;
    return t - floor_div(t, g->wave_ns) * g->wave_ns < g->high_ns ? g->high_uw : g->low_uw;
}

static int64_t last_update(const struct gpu *g, int64_t t) {
    if (!g->update_period_ns) return t;
    return floor_div(t - g->update_phase_ns, g->update_period_ns) * g->update_period_ns +
           g->update_phase_ns;
}

MAYBE_UNUSED static nvmlReturn_t read_counter(const struct gpu *g, int64_t t,
                                              unsigned long long *mj) {
    if (g->counter == UNSUPPORTED) return NOT_SUPPORTED;
    int64_t frozen = g->counter_frozen_ns;
    if (g->counter == FROZEN && frozen == NEVER) frozen = 0;
    if (t > frozen) t = frozen;
    int64_t start = 0, offset = g->counter_offset_mj, end = last_update(g, t);
    if (t >= g->counter_reset_ns) {
        start = g->counter_reset_ns;
        offset = 0;
    }
    wide spent = end > start ? area(g, end) - area(g, start) : 0;
    if (end > start) spent += (wide)(end - start) * g->module_uw;
    *mj = (unsigned long long)(spent * g->counter_gain / ((wide)1000000000000 * SECOND)) +
          (unsigned long long)offset;
    return SUCCESS;
}

/* Rounds uW*ns over a span, times the gain, to mW. */
static unsigned int milliwatts(const struct gpu *g, wide energy, int64_t span_ns) {
    wide unit = (wide)span_ns * 1000 * SECOND;
    return (unsigned int)((energy * g->power_gain + unit / 2) / unit);
}

static nvmlReturn_t read_average(const struct gpu *g, int64_t t, unsigned int *mw) {
    if (g->power != ON) return NOT_SUPPORTED;
    int64_t end = last_update(g, t);
    *mw = milliwatts(g, area(g, end) - area(g, end - SECOND), SECOND);
    return SUCCESS;
}

static int64_t limit_uw(const struct gpu *g, int64_t t) {
    int64_t since = INT64_MIN, uw = g->power_limit_uw;
    for (size_t i = 0; i < g->n_limits; i++)
        if (g->limits[i].from <= t && g->limits[i].from >= since) {
            since = g->limits[i].from;
            uw = g->limits[i].uw;
        }
    return uw;
}

static void limit_range(const struct gpu *g, unsigned int *low, unsigned int *high) {
    int64_t least = 100000000, most = g->power_limit_uw;
    if (most < least) least = most;
    for (size_t i = 0; i < g->n_limits; i++) {
        if (g->limits[i].uw < least) least = g->limits[i].uw;
        if (g->limits[i].uw > most) most = g->limits[i].uw;
    }
    *low = (unsigned int)(least / 1000);
    *high = (unsigned int)(most / 1000);
}

static int active(const struct window *when, int64_t t) { return when->from <= t && t < when->to; }

/* ---- Entry checks --------------------------------------------------------------------------- */

static nvmlReturn_t enter(const struct config **c, int64_t *t) {
    if (atomic_load(&references) <= 0) return UNINITIALIZED;
    int64_t now = monotonic_ns();
    *c = configuration(now);
    *t = now - (*c)->origin_ns;
    return SUCCESS;
}

static nvmlReturn_t enter_device(nvmlDevice_t device, const struct gpu **g, int64_t *t) {
    const struct config *c;
    nvmlReturn_t rc = enter(&c, t);
    if (rc) return rc;
    uintptr_t at = (uintptr_t)device, base = (uintptr_t)handles;
    if (at < base || (at - base) % sizeof *handles || (at - base) / sizeof *handles >= c->n_gpus)
        return INVALID_ARGUMENT;
    *g = &c->gpus[(at - base) / sizeof *handles];
    return *t >= (*g)->lost_ns ? GPU_IS_LOST : SUCCESS;
}

#define SYSTEM_CALL(pointer)                        \
    const struct config *c;                         \
    int64_t t;                                      \
    nvmlReturn_t rc = enter(&c, &t);                \
    if (rc) return rc;                              \
    if (!(pointer)) return INVALID_ARGUMENT

#define DEVICE_CALL(device, pointer)                \
    const struct gpu *g;                            \
    int64_t t;                                      \
    nvmlReturn_t rc = enter_device(device, &g, &t); \
    if (rc) return rc;                              \
    if (!(pointer)) return INVALID_ARGUMENT

static void lock_against_processes(size_t index, short type) {
    int file = atomic_load(&lock_file);
    if (file < 0) {
        char path[sizeof config_path + 8];
        snprintf(path, sizeof path, "%s.lock", config_path);
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int none = -1;
        if (!atomic_compare_exchange_strong(&lock_file, &none, file)) {
            close(file);
            file = none;
        }
    }
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)index, .l_len = 1};
    while (file >= 0 && fcntl(file, F_OFD_SETLKW, &lock) < 0 && errno == EINTR);
}

static void pass_until(int64_t until, int spins) {
    struct timespec at = {.tv_sec = until / SECOND, .tv_nsec = until % SECOND};
    if (!spins) while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR);
    while (monotonic_ns() < until);
}

/* Takes so long, under the GPU's lock; the time of its middle, after the origin. */
static int64_t spend(const struct gpu *g, nvmlDevice_t device, int64_t latency_ns) {
    size_t index = (size_t)(device - handles);
    pthread_mutex_lock(&gpu_locks[index]);
    lock_against_processes(index, F_WRLCK);
    int64_t begin = monotonic_ns(), middle;
    pass_until(begin + latency_ns / 2, g->latency == SPIN);
    middle = monotonic_ns();
    pass_until(begin + latency_ns, g->latency == SPIN);
    lock_against_processes(index, F_UNLCK);
    pthread_mutex_unlock(&gpu_locks[index]);
    return middle - atomic_load(&current)->origin_ns;
}

#define SLOW_CALL(device, pointer, latency_ns) \
    DEVICE_CALL(device, pointer);              \
    if (g->latency_ns) t = spend(g, device, g->latency_ns)

static nvmlReturn_t give_text(const char *text, char *out, unsigned int size) {
    if (strlen(text) >= size) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

/* ---- System --------------------------------------------------------------------------------- */

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    const char *path = getenv("NVML_SIM_CONFIG");
    if (!path || !*path || strlen(path) >= sizeof config_path) {
        complain("NVML_SIM_CONFIG names no configuration file");
        return DRIVER_NOT_LOADED;
    }
    nvmlReturn_t rc = UNKNOWN;
    pthread_mutex_lock(&load_lock);
    if (strcmp(path, config_path)) {
        strcpy(config_path, path);
        memset(&config_stat, 0, sizeof config_stat);
        if (!atomic_load(&references)) atomic_store(&current, NULL);
    }
    reload();
    const struct config *c = atomic_load(&current);
    if (!c) {
        complain("no usable configuration in %s", path);
    } else {
        rc = (nvmlReturn_t)c->init_error;
        if (!rc) atomic_fetch_add(&references, 1);
    }
    pthread_mutex_unlock(&load_lock);
    return rc;
}

EXPORT nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
EXPORT nvmlReturn_t nvmlInit(void) { return nvmlInitWithFlags(0); }

EXPORT nvmlReturn_t nvmlShutdown(void) {
    nvmlReturn_t rc = SUCCESS;
    pthread_mutex_lock(&load_lock);
    if (atomic_load(&references) > 0) atomic_fetch_sub(&references, 1);
    else rc = UNINITIALIZED;
    pthread_mutex_unlock(&load_lock);
    return rc;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t code) {
    static const char *const texts[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported",
        "Insufficient Permissions", "Already Initialized", "Not Found", "Insufficient Size",
        "Insufficient External Power", "Driver Not Loaded", "Timeout", "Interrupt Request Issue",
        "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost",
        "GPU requires reset", "The operating system has blocked the request.",
        "RM has detected an NVML/RM version mismatch.", "GPU is in use", "Insufficient Memory",
        "No data", "The requested vgpu operation is not available on target device, becasue ECC "
        "is enabled.", "Insufficient resources", "Frequency not supported",
        "Argument version mismatch", "Deprecated", "Not ready", "GPU not found", "Invalid state",
    };
    return code < sizeof texts / sizeof *texts ? texts[code] : "Unknown Error";
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    SYSTEM_CALL(version);
    return give_text(c->driver_version, version, length);
}

EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
    SYSTEM_CALL(version);
    char text[96];
    snprintf(text, sizeof text, "12.%s", c->driver_version);
    return give_text(text, version, length);
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
    SYSTEM_CALL(version);
    *version = 12080;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) {
    return nvmlSystemGetCudaDriverVersion(version);
}

/* ---- Handles and identity ------------------------------------------------------------------- */

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    SYSTEM_CALL(count);
    *count = (unsigned int)c->n_gpus;
    return SUCCESS;
}

static nvmlReturn_t give_handle(const struct config *c, int64_t t, size_t i, nvmlDevice_t *out) {
    if (t >= c->gpus[i].lost_ns) return GPU_IS_LOST;
    *out = &handles[i];
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    SYSTEM_CALL(device);
    return index < c->n_gpus ? give_handle(c, t, index, device) : INVALID_ARGUMENT;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    SYSTEM_CALL(uuid && device);
    for (size_t i = 0; i < c->n_gpus; i++)
        if (!strcmp(uuid, c->gpus[i].uuid)) return give_handle(c, t, i, device);
    return NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *device) {
    SYSTEM_CALL(id && device);
    unsigned int domain, bus, slot;
    if (!parse_pci(id, &domain, &bus, &slot)) return INVALID_ARGUMENT;
    for (size_t i = 0; i < c->n_gpus; i++) {
        const struct gpu *g = &c->gpus[i];
        if (g->domain == domain && g->bus == bus && g->device == slot)
            return give_handle(c, t, i, device);
    }
    return NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index) {
    DEVICE_CALL(device, index);
    *index = (unsigned int)(device - handles);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    DEVICE_CALL(device, name);
    return give_text(g->name, name, length);
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    DEVICE_CALL(device, uuid);
    return give_text(g->uuid, uuid, length);
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    DEVICE_CALL(device, pci);
    memset(pci, 0, sizeof *pci);
    pci->domain = g->domain;
    pci->bus = g->bus;
    pci->device = g->device;
    pci->pciDeviceId = 0x233010DE;
    pci->pciSubSystemId = 0x16C110DE;
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", g->domain & 0xFFFF,
             g->bus & 0xFF, g->device & 0x1F);
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", g->domain, g->bus, g->device);
    return SUCCESS;
}

/* ---- Power and energy ----------------------------------------------------------------------- */

#ifndef NVML_SIM_OMIT_TOTAL_ENERGY
EXPORT nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device,
                                                        unsigned long long *energy) {
    SLOW_CALL(device, energy, energy_latency_ns);
    return read_counter(g, t, energy);
}
#endif

EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power) {
    SLOW_CALL(device, power, power_latency_ns);
    nvmlReturn_t result = read_average(g, t, power);
    if (result == SUCCESS) *power += (unsigned int)(g->module_uw / 1000);
    return result;
}

#ifndef NVML_SIM_OMIT_FIELD_VALUES
static nvmlReturn_t read_field(const struct gpu *g, int64_t t, nvmlFieldValue_t *field) {
    unsigned int other, *mw = &field->value.uiVal;
    field->valueType = TYPE_UINT;
    if (field->fieldId == FI_TOTAL_ENERGY) {
        field->valueType = TYPE_ULONGLONG;
        return read_counter(g, t, &field->value.ullVal);
    }
    if (field->fieldId < FI_POWER_AVERAGE || field->fieldId > FI_POWER_CURRENT_LIMIT)
        return NOT_SUPPORTED;
    if (field->scopeId == 1 && g->module_uw && field->fieldId == FI_POWER_INSTANT) {
        *mw = milliwatts(g, power_uw(g, last_update(g, t)), 1) +
              (unsigned int)(g->module_uw / 1000);
        return SUCCESS;
    }
    if (field->scopeId) return field->scopeId <= 2 ? NOT_SUPPORTED : INVALID_ARGUMENT;
    switch (field->fieldId) {
        case FI_POWER_AVERAGE: return read_average(g, t, mw);
        case FI_POWER_INSTANT:
            if (g->instant_power != ON) return NOT_SUPPORTED;
            *mw = milliwatts(g, power_uw(g, last_update(g, t)), 1);
            return SUCCESS;
        case FI_POWER_MIN_LIMIT: limit_range(g, mw, &other); return SUCCESS;
        case FI_POWER_MAX_LIMIT: limit_range(g, &other, mw); return SUCCESS;
        case FI_POWER_DEFAULT_LIMIT: *mw = (unsigned int)(g->power_limit_uw / 1000); return SUCCESS;
        default: *mw = (unsigned int)(limit_uw(g, t) / 1000); return SUCCESS;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count,
                                             nvmlFieldValue_t *values) {
    SLOW_CALL(device, values && count > 0, power_latency_ns);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < count; i++) {
        values[i].timestamp = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
        values[i].latencyUsec = 0;
        values[i].value.ullVal = 0;
        values[i].nvmlReturn = read_field(g, t, &values[i]);
    }
    return SUCCESS;
}
#endif

EXPORT nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, unsigned int type,
                                         unsigned long long last_seen, unsigned int *value_type,
                                         unsigned int *count, void *samples) {
    (void)type, (void)last_seen, (void)samples;
    DEVICE_CALL(device, value_type && count);
    return NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit) {
    SLOW_CALL(device, limit, status_latency_ns);
    *limit = (unsigned int)(limit_uw(g, t) / 1000);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *limit) {
    return nvmlDeviceGetEnforcedPowerLimit(device, limit);
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device,
                                                             unsigned int *limit) {
    DEVICE_CALL(device, limit);
    *limit = (unsigned int)(g->power_limit_uw / 1000);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device,
                                                                 unsigned int *least,
                                                                 unsigned int *most) {
    DEVICE_CALL(device, least && most);
    limit_range(g, least, most);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int limit) {
    DEVICE_CALL(device, 1);
    unsigned int least, most;
    limit_range(g, &least, &most);
    if (g->set_limit == UNSUPPORTED || g->mig) return NOT_SUPPORTED;
    if (g->set_limit == DENIED) return NO_PERMISSION;
    if (limit < least || limit > most) return INVALID_ARGUMENT;
    if (g->set_limit == IGNORED) return SUCCESS;
    char path[sizeof config_path + 8], line[96];
    limits_path(path, sizeof path);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int length = snprintf(line, sizeof line, "%zu %lld %lld\n", (size_t)(device - handles),
                          (long long)monotonic_ns(), (long long)limit * 1000);
    ssize_t written = file < 0 ? -1 : write(file, line, (size_t)length);
    if (file >= 0) close(file);
    (void)t;
    pthread_mutex_lock(&load_lock);
    reload(); /* whoever set it sees it at once */
    pthread_mutex_unlock(&load_lock);
    return written == length ? SUCCESS : UNKNOWN;
}

/* ---- Everything else ------------------------------------------------------------------------ */

static void fill_memory(const struct gpu *g, unsigned long long *total, unsigned long long *used,
                        unsigned long long *left) {
    *total = (unsigned long long)g->memory_total_mb * MIB;
    *used = (unsigned long long)g->memory_used_mb * MIB;
    *left = *total - *used;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    DEVICE_CALL(device, memory);
    fill_memory(g, &memory->total, &memory->used, &memory->free);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    DEVICE_CALL(device, memory);
    if (memory->version != (sizeof *memory | 2U << 24)) return VERSION_MISMATCH;
    memory->reserved = 0;
    fill_memory(g, &memory->total, &memory->used, &memory->free);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device,
                                                  nvmlUtilization_t *utilization) {
    DEVICE_CALL(device, utilization);
    if (g->mig) return NOT_SUPPORTED; /* as real devices in MIG mode */
    utilization->gpu = (unsigned int)g->utilization;
    utilization->memory = 0;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor,
                                             unsigned int *temperature) {
    SLOW_CALL(device, temperature && !sensor, status_latency_ns);
    (void)t;
    *temperature = (unsigned int)g->temperature_c;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *reading) {
    DEVICE_CALL(device, reading);
    if (reading->version != (sizeof *reading | 1U << 24)) return VERSION_MISMATCH;
    if (reading->sensorType) return INVALID_ARGUMENT;
    reading->temperature = (int)g->temperature_c;
    return SUCCESS;
}

#define SIMPLE_GETTER(function, type, expression)               \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, type *out) { \
        DEVICE_CALL(device, out);                               \
        *out = (type)(expression);                              \
        return SUCCESS;                                         \
    }

SIMPLE_GETTER(nvmlDeviceGetComputeMode, unsigned int, g->compute_mode)
SIMPLE_GETTER(nvmlDeviceGetPersistenceMode, unsigned int, g->persistence)
SIMPLE_GETTER(nvmlDeviceGetVirtualizationMode, unsigned int, g->vgpu ? 2 : 0)
SIMPLE_GETTER(nvmlDeviceGetArchitecture, unsigned int, g->architecture)
SIMPLE_GETTER(nvmlDeviceGetBrand, unsigned int, 14)
SIMPLE_GETTER(nvmlDeviceGetSupportedClocksEventReasons, unsigned long long, ALL_EVENT_REASONS)
SIMPLE_GETTER(nvmlDeviceGetSupportedClocksThrottleReasons, unsigned long long, ALL_EVENT_REASONS)

/* A negative ecc: a board without ECC. */
EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *now,
                                         unsigned int *pending) {
    DEVICE_CALL(device, now && pending);
    if (g->ecc < 0) return NOT_SUPPORTED;
    *now = *pending = (unsigned int)g->ecc;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *now,
                                         unsigned int *pending) {
    DEVICE_CALL(device, now && pending);
    if (g->architecture < ARCH_AMPERE) return NOT_SUPPORTED;
    *now = *pending = (unsigned int)g->mig;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device,
                                                            unsigned int *count,
                                                            nvmlProcessInfo_t *infos) {
    SLOW_CALL(device, count, status_latency_ns);
    unsigned int room = *count, found = 0;
    for (size_t i = 0; i < g->n_processes; i++) {
        const struct process *p = &g->processes[i];
        if (!active(&p->when, t)) continue;
        if (found < room) {
            if (!infos) return INVALID_ARGUMENT;
            infos[found] = (nvmlProcessInfo_t){
                .pid = p->pid, .usedGpuMemory = p->bytes,
                .gpuInstanceId = UINT32_MAX, .computeInstanceId = UINT32_MAX,
            };
        }
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device,
                                                            unsigned int *count,
                                                            nvmlProcessInfo_t *infos) {
    return nvmlDeviceGetComputeRunningProcesses_v3(device, count, infos);
}

EXPORT nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device,
                                                             unsigned int *count,
                                                             nvmlProcessInfo_t *infos) {
    (void)infos;
    DEVICE_CALL(device, count);
    *count = 0;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device,
                                                           unsigned long long *reasons) {
    SLOW_CALL(device, reasons, status_latency_ns);
    *reasons = 0;
    for (size_t i = 0; i < g->n_reasons; i++)
        if (active(&g->reasons[i].when, t)) *reasons |= g->reasons[i].mask;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device,
                                                              unsigned long long *reasons) {
    return nvmlDeviceGetCurrentClocksEventReasons(device, reasons);
}

EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned int type,
                                           unsigned int *clock) {
    SLOW_CALL(device, clock && type < 4, status_latency_ns);
    *clock = (unsigned int)(type == 2 ? g->mem_clock_mhz : g->sm_clock_mhz);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int type,
                                              unsigned int *clock) {
    DEVICE_CALL(device, clock && type < 4);
    int64_t value = type == 2 ? g->mem_clock_mhz : g->sm_clock_mhz, most = type == 2 ? 2619 : 1980;
    *clock = (unsigned int)(value > most ? value : most);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major,
                                                       int *minor) {
    DEVICE_CALL(device, major && minor);
    *major = (int)g->cc_major;
    *minor = (int)g->cc_minor;
    return SUCCESS;
}
