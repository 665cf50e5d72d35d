/* A stand-in for NVIDIA's libnvidia-ml.so.1: the part of its C interface that monitors use, over a state that
 * tests hold in a memory-mapped file (named by NVML_STAND_IN_STATE). Every process that loads the library sees the same
 * GPUs; layout.py declares the same structures for Python.
 *
 * Memory: used = foreign + sum of the processes, free = total - reserved - used. Writers make `sequence` odd while
 * they write. Every call is counted for its function and device, then meets the faults that tests have set. */

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x4e564d4c
#define MAX_DEVICES 64
#define MAX_PROCESSES 32
#define MAX_FAULTS 64
#define MAX_FUNCTIONS 96
#define MAX_EVENTS 64
#define MAX_EVENT_SETS 16
#define NO_DEVICE MAX_DEVICES
#define NOBODY 0xFFFFFFFFu
#define NOT_AVAILABLE (~0ull)

enum { OK, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, TIMEOUT = 10,
       GPU_IS_LOST = 15, VERSION_MISMATCH = 18, ARGUMENT_VERSION_MISMATCH = 25 };
enum { RETURN_CODE, HANG, CRASH };
enum { COMPUTE = 1, GRAPHICS = 2, MPS = 4 };            /* lists of processes */

struct process { uint32_t pid, lists; uint64_t bytes; };
struct memory { uint64_t foreign; struct process processes[MAX_PROCESSES]; };

struct device {
    char uuid[96], name[96];
    uint64_t total, reserved;
    struct memory now, frozen;
    int32_t parent;                                     /* of a MIG instance; -1 for a GPU */
    uint32_t present, is_frozen, mig_mode, instance;
    uint32_t hides_process_memory, shows_container_pids;
    uint32_t utilisation, temperature, compute_mode, persistence, has_ecc;
    uint32_t uncorrected_errors, rows_corrected, rows_uncorrected, rows_pending, rows_failed, pages_pending;
};

struct fault {
    char function[64];                                  /* "*" for every function */
    int32_t device, code;                               /* device -1 for any */
    uint32_t action, enabled;
    uint64_t after, times, seen;                        /* times 0: for ever */
    double latency_s;
};

struct event { int32_t device; uint32_t instance; uint64_t type, data; };
struct function { char name[64]; uint32_t claimed, named; uint64_t calls[MAX_DEVICES + 1]; };

struct state {
    uint32_t magic, size, sequence, generation;
    int32_t count_override;                             /* -1: the GPUs that are present */
    uint32_t events_written;
    char driver_version[80];
    struct event events[MAX_EVENTS];
    struct fault faults[MAX_FAULTS];
    struct function functions[MAX_FUNCTIONS];
    struct device devices[MAX_DEVICES];
};

struct event_set { int used; uint32_t next; uint64_t registered; };

typedef void *handle_t;
typedef struct { uint64_t total, free, used; } memory_v1;
typedef struct { uint32_t version; uint64_t total, reserved, free, used; } memory_v2;
typedef struct { uint32_t pid; uint64_t bytes; uint32_t gpu_instance, compute_instance; } process_info;
typedef struct { uint32_t pid; uint64_t bytes; uint32_t gpu_instance, compute_instance; uint64_t protected; } detail;
typedef struct { uint32_t version, mode, length; detail *entries; } detail_list;
typedef struct { handle_t device; uint64_t type, data; uint32_t gpu_instance, compute_instance; } event_data;
typedef struct { char legacy[16]; uint32_t domain, bus, device, id, subsystem; char bus_id[32]; } pci_info;
typedef struct { uint32_t version, sensor; int32_t celsius; } temperature_v1;
typedef struct { uint32_t id, scope; int64_t at, latency; uint32_t type; int32_t code; uint64_t value; } field_value;
typedef struct { uint32_t counts[8]; uint64_t memory_mib; } attributes;

static struct state *state;
static struct event_set event_sets[MAX_EVENT_SETS];
static uint32_t initialised, my_generation;

static void pause_s(double seconds) {
    struct timespec span = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&span, NULL);
}

static void map_state(void) {
    const char *path = getenv("NVML_STAND_IN_STATE");
    int file = path ? open(path, O_RDWR) : -1;
    struct stat found;
    if (file < 0 || fstat(file, &found) || (size_t)found.st_size < sizeof *state) {
        fprintf(stderr, "nvml_stand_in: NVML_STAND_IN_STATE names no state of %zu bytes\n", sizeof *state);
        abort();
    }
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (state == MAP_FAILED || state->magic != MAGIC || state->size != sizeof *state) {
        fprintf(stderr, "nvml_stand_in: the layout of the state is not this library's\n");
        abort();
    }
}

static struct function *row(const char *name) {
    for (int i = 0; i < MAX_FUNCTIONS; i++) {
        struct function *found = &state->functions[i];
        uint32_t unclaimed = 0;
        if (__atomic_compare_exchange_n(&found->claimed, &unclaimed, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            strncpy(found->name, name, sizeof found->name - 1);
            __atomic_store_n(&found->named, 1, __ATOMIC_SEQ_CST);
        }
        while (!__atomic_load_n(&found->named, __ATOMIC_SEQ_CST)) pause_s(1e-5);
        if (!strcmp(found->name, name)) return found;
    }
    abort();
}

static int meet(struct fault *fault) {
    uint64_t turn = __atomic_add_fetch(&fault->seen, 1, __ATOMIC_SEQ_CST);
    if (turn <= fault->after || (fault->times && turn > fault->after + fault->times)) return OK;
    pause_s(fault->latency_s);
    if (fault->action == CRASH) raise(SIGSEGV);
    while (fault->action == HANG && __atomic_load_n(&fault->enabled, __ATOMIC_SEQ_CST)) pause_s(0.005);
    return fault->action == RETURN_CODE ? fault->code : OK;
}

/* A fault of every function of a GPU is one of its MIG instances, too. */
static int concerns(const struct fault *fault, const char *name, int device) {
    int everything = !strcmp(fault->function, "*");
    if (!everything && strcmp(fault->function, name)) return 0;
    if (fault->device < 0 || fault->device == device) return 1;
    return everything && device != NO_DEVICE && state->devices[device].parent == fault->device;
}

/* Counts a call and returns the code of the first fault that it meets. */
static int meet_faults(const char *name, int device) {
    if (!state) map_state();
    __atomic_add_fetch(&row(name)->calls[device], 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < MAX_FAULTS; i++) {
        struct fault *fault = &state->faults[i];
        if (!fault->enabled || !concerns(fault, name, device)) continue;
        int code = meet(fault);
        if (code) return code;
    }
    return OK;
}

static int is_there(int device) {
    int parent = state->devices[device].parent;
    return state->devices[device].present && (parent < 0 || state->devices[parent].present);
}

static int enter(const char *name, int device) {
    int code = meet_faults(name, device);
    if (code) return code;
    if (!initialised) return UNINITIALIZED;
    if (state->generation != my_generation) return VERSION_MISMATCH;
    return device == NO_DEVICE || is_there(device) ? OK : GPU_IS_LOST;
}

#define ENTER(device)                                                                                                  \
    do {                                                                                                               \
        int refused = enter(__func__, device);                                                                         \
        if (refused) return refused;                                                                                   \
    } while (0)

#define ENTER_DEVICE(handle)                                                                                           \
    int at = position(handle);                                                                                         \
    if (at < 0) return INVALID_ARGUMENT;                                                                               \
    struct device *device = &state->devices[at];                                                                       \
    (void)device;                                                                                                      \
    ENTER(at)

static handle_t handle_of(int device) { return (handle_t)(uintptr_t)(device + 1); }

static int position(handle_t handle) {
    uintptr_t number = (uintptr_t)handle;
    if (!state) map_state();
    return number >= 1 && number <= MAX_DEVICES ? (int)number - 1 : -1;
}

static int is_gpu(int device) { return state->devices[device].uuid[0] && state->devices[device].parent < 0; }

static int index_of(int device) {
    int index = 0;
    for (int i = 0; i < device; i++) index += is_gpu(i) && state->devices[i].present;
    return index;
}

static int give(const char *text, char *buffer, uint32_t length) {
    if (strlen(text) >= length) return INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return OK;
}

/* ------------------------------------------------------------------------------------------------ library, system */

static int start(const char *name) {
    int code = meet_faults(name, NO_DEVICE);
    if (code) return code;
    if (!initialised++) my_generation = state->generation;
    return state->generation == my_generation ? OK : VERSION_MISMATCH;
}

int nvmlInitWithFlags(uint32_t flags) { (void)flags; return start(__func__); }
int nvmlInit_v2(void) { return start(__func__); }

int nvmlShutdown(void) {
    ENTER(NO_DEVICE);
    initialised--;
    return OK;
}

const char *nvmlErrorString(int code) { (void)code; return "an error of the stand-in"; }

int nvmlSystemGetDriverVersion(char *buffer, uint32_t length) {
    ENTER(NO_DEVICE);
    return give(state->driver_version, buffer, length);
}

int nvmlSystemGetNVMLVersion(char *buffer, uint32_t length) {
    ENTER(NO_DEVICE);
    return give(state->driver_version, buffer, length);
}

int nvmlSystemGetCudaDriverVersion(int *version) {
    ENTER(NO_DEVICE);
    *version = 13000;
    return OK;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }

/* ------------------------------------------------------------------------------------------------------- handles */

int nvmlDeviceGetCount_v2(uint32_t *count) {
    ENTER(NO_DEVICE);
    *count = state->count_override >= 0 ? (uint32_t)state->count_override : (uint32_t)index_of(MAX_DEVICES);
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(uint32_t index, handle_t *handle) {
    if (!state) map_state();
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (!is_gpu(i) || !state->devices[i].present || index_of(i) != (int)index) continue;
        ENTER(i);
        *handle = handle_of(i);
        return OK;
    }
    ENTER(NO_DEVICE);
    return INVALID_ARGUMENT;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, handle_t *handle) {
    if (!state) map_state();
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (!is_there(i) || strcmp(state->devices[i].uuid, uuid)) continue;
        ENTER(i);
        *handle = handle_of(i);
        return OK;
    }
    ENTER(NO_DEVICE);
    return NOT_FOUND;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, handle_t *handle) {
    unsigned domain, bus;
    ENTER(NO_DEVICE);
    if (sscanf(bus_id, "%x:%x:", &domain, &bus) != 2 || bus < 1 || bus > MAX_DEVICES || !is_gpu((int)bus - 1))
        return NOT_FOUND;
    *handle = handle_of((int)bus - 1);
    return OK;
}

int nvmlDeviceGetUUID(handle_t handle, char *buffer, uint32_t length) {
    ENTER_DEVICE(handle);
    return give(device->uuid, buffer, length);
}

int nvmlDeviceGetName(handle_t handle, char *buffer, uint32_t length) {
    ENTER_DEVICE(handle);
    return give(device->name, buffer, length);
}

int nvmlDeviceGetIndex(handle_t handle, uint32_t *index) {
    ENTER_DEVICE(handle);
    *index = device->parent < 0 ? (uint32_t)index_of(at) : device->instance - 1;
    return OK;
}

int nvmlDeviceGetMinorNumber(handle_t handle, uint32_t *number) {
    ENTER_DEVICE(handle);
    *number = (uint32_t)at;
    return OK;
}

int nvmlDeviceGetPciInfo_v3(handle_t handle, pci_info *info) {
    ENTER_DEVICE(handle);
    memset(info, 0, sizeof *info);
    info->bus = (uint32_t)at + 1;
    snprintf(info->legacy, sizeof info->legacy, "0000:%02X:00.0", (uint8_t)(at + 1));
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", (uint8_t)(at + 1));
    return OK;
}

/* ----------------------------------------------------------------------------------------- multi-instance (MIG) */

int nvmlDeviceGetMigMode(handle_t handle, uint32_t *current, uint32_t *pending) {
    ENTER_DEVICE(handle);
    if (device->parent >= 0) return INVALID_ARGUMENT;
    *current = *pending = device->mig_mode;
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(handle_t handle, uint32_t *count) {
    ENTER_DEVICE(handle);
    *count = device->parent < 0 ? 7 : 0;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(handle_t handle, uint32_t index, handle_t *instance) {
    ENTER_DEVICE(handle);
    for (int i = 0; i < MAX_DEVICES; i++) {
        struct device *part = &state->devices[i];
        if (!part->uuid[0] || !part->present || part->parent != at || part->instance != index + 1) continue;
        *instance = handle_of(i);
        return OK;
    }
    return NOT_FOUND;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle_t handle, handle_t *gpu) {
    ENTER_DEVICE(handle);
    if (device->parent < 0) return INVALID_ARGUMENT;
    *gpu = handle_of(device->parent);
    return OK;
}

int nvmlDeviceIsMigDeviceHandle(handle_t handle, uint32_t *answer) {
    ENTER_DEVICE(handle);
    *answer = device->parent >= 0;
    return OK;
}

int nvmlDeviceGetGpuInstanceId(handle_t handle, uint32_t *id) {
    ENTER_DEVICE(handle);
    *id = device->instance;
    return device->parent < 0 ? NOT_SUPPORTED : OK;
}

int nvmlDeviceGetComputeInstanceId(handle_t handle, uint32_t *id) {
    ENTER_DEVICE(handle);
    *id = 0;
    return device->parent < 0 ? NOT_SUPPORTED : OK;
}

int nvmlDeviceGetAttributes_v2(handle_t handle, attributes *answer) {
    ENTER_DEVICE(handle);
    if (device->parent < 0) return NOT_SUPPORTED;
    memset(answer, 0, sizeof *answer);
    answer->memory_mib = device->total >> 20;
    return OK;
}

/* ------------------------------------------------------------------------------------------- memory and processes */

static struct memory snapshot(const struct device *device) {
    struct memory copy;
    for (int attempt = 0; attempt < 1000; attempt++) {
        uint32_t before = __atomic_load_n(&state->sequence, __ATOMIC_ACQUIRE);
        copy = device->is_frozen ? device->frozen : device->now;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (!(before & 1) && before == __atomic_load_n(&state->sequence, __ATOMIC_ACQUIRE)) break;
        pause_s(1e-5);
    }
    return copy;
}

static int belongs(int device, int to) {
    const struct device *found = &state->devices[device];
    return found->uuid[0] && found->present && (device == to || found->parent == to);
}

static uint64_t used_by(int device) {
    uint64_t used = 0;
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (!belongs(i, device)) continue;
        struct memory memory = snapshot(&state->devices[i]);
        used += memory.foreign;
        for (int p = 0; p < MAX_PROCESSES; p++) used += memory.processes[p].pid ? memory.processes[p].bytes : 0;
    }
    return used;
}

static uint64_t free_of(const struct device *device, uint64_t used) {
    uint64_t taken = device->reserved + used;
    return taken < device->total ? device->total - taken : 0;
}

int nvmlDeviceGetMemoryInfo(handle_t handle, memory_v1 *answer) {
    ENTER_DEVICE(handle);
    answer->total = device->total;
    answer->free = free_of(device, used_by(at));
    answer->used = answer->total - answer->free;
    return OK;
}

#ifndef WITHOUT_MEMORY_V2
int nvmlDeviceGetMemoryInfo_v2(handle_t handle, memory_v2 *answer) {
    ENTER_DEVICE(handle);
    if (answer->version != (sizeof *answer | 2 << 24)) return ARGUMENT_VERSION_MISMATCH;
    answer->total = device->total;
    answer->reserved = device->reserved;
    answer->used = used_by(at);
    answer->free = free_of(device, answer->used);
    return OK;
}
#endif

static uint32_t gather(int at, uint32_t kind, process_info *entries) {
    uint32_t length = 0;
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (!belongs(i, at)) continue;
        const struct device *device = &state->devices[i];
        struct memory memory = snapshot(device);
        for (int p = 0; p < MAX_PROCESSES; p++) {
            if (!memory.processes[p].pid || !(memory.processes[p].lists & kind)) continue;
            process_info entry = {memory.processes[p].pid, memory.processes[p].bytes, NOBODY, NOBODY};
            if (device->parent >= 0) entry.gpu_instance = device->instance, entry.compute_instance = 0;
            if (device->hides_process_memory) entry.bytes = NOT_AVAILABLE;
            if (device->shows_container_pids) entry.pid = 300 + length, entry.bytes = 0;
            entries[length++] = entry;
        }
    }
    return length;
}

static int list(int at, uint32_t kind, uint32_t *count, process_info *answer) {
    static _Thread_local process_info entries[MAX_DEVICES * MAX_PROCESSES];
    uint32_t length = gather(at, kind, entries), room = *count;
    *count = length;
    if (length > room || (length && !answer)) return INSUFFICIENT_SIZE;
    if (length) memcpy(answer, entries, length * sizeof *entries);
    return OK;
}

#define PROCESS_LIST(name, kind)                                                                                       \
    int name(handle_t handle, uint32_t *count, process_info *answer) {                                                 \
        ENTER_DEVICE(handle);                                                                                          \
        return list(at, kind, count, answer);                                                                          \
    }

PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v2, COMPUTE)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, GRAPHICS)
PROCESS_LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, MPS)
#ifndef WITHOUT_PROCESSES_V3
PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v3, COMPUTE)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, GRAPHICS)
PROCESS_LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, MPS)

int nvmlDeviceGetRunningProcessDetailList(handle_t handle, detail_list *answer) {
    process_info entries[MAX_PROCESSES * 8];
    ENTER_DEVICE(handle);
    if (answer->version != (sizeof *answer | 1 << 24)) return ARGUMENT_VERSION_MISMATCH;
    uint32_t room = answer->length, length = sizeof entries / sizeof *entries;
    int code = list(at, 1u << (answer->mode & 3), &length, entries);
    answer->length = length;
    if (code || length > room) return INSUFFICIENT_SIZE;
    for (uint32_t i = 0; i < length; i++)
        answer->entries[i] = (detail){entries[i].pid, entries[i].bytes, entries[i].gpu_instance,
                                      entries[i].compute_instance, 0};
    return OK;
}
#endif

int nvmlDeviceGetProcessUtilization(handle_t handle, void *samples, uint32_t *count, uint64_t since) {
    (void)samples, (void)since;
    ENTER_DEVICE(handle);
    *count = 0;
    return NOT_FOUND;
}

/* -------------------------------------------------------------------------------------------------------- health */

int nvmlDeviceGetUtilizationRates(handle_t handle, uint32_t rates[2]) {
    ENTER_DEVICE(handle);
    if (device->parent >= 0) return NOT_SUPPORTED;
    rates[0] = device->utilisation;
    rates[1] = device->utilisation / 2;
    return OK;
}

static int measure(const struct device *device, uint32_t sensor, uint32_t *celsius) {
    if (sensor) return INVALID_ARGUMENT;
    *celsius = device->temperature;
    return device->parent >= 0 ? NOT_SUPPORTED : OK;
}

int nvmlDeviceGetTemperature(handle_t handle, uint32_t sensor, uint32_t *celsius) {
    ENTER_DEVICE(handle);
    return measure(device, sensor, celsius);
}

int nvmlDeviceGetTemperatureV(handle_t handle, temperature_v1 *answer) {
    ENTER_DEVICE(handle);
    if (answer->version != (sizeof *answer | 1 << 24)) return ARGUMENT_VERSION_MISMATCH;
    return measure(device, answer->sensor, (uint32_t *)&answer->celsius);
}

#define FIELD(name, field, supported)                                                                                  \
    int name(handle_t handle, uint32_t *answer) {                                                                      \
        ENTER_DEVICE(handle);                                                                                          \
        *answer = device->field;                                                                                       \
        return supported ? OK : NOT_SUPPORTED;                                                                         \
    }

FIELD(nvmlDeviceGetComputeMode, compute_mode, device->parent < 0)
FIELD(nvmlDeviceGetPersistenceMode, persistence, 1)
FIELD(nvmlDeviceGetRetiredPagesPendingStatus, pages_pending, device->has_ecc)

int nvmlDeviceGetEccMode(handle_t handle, uint32_t *current, uint32_t *pending) {
    ENTER_DEVICE(handle);
    *current = *pending = device->has_ecc;
    return device->has_ecc ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetTotalEccErrors(handle_t handle, int type, int counter, uint64_t *count) {
    (void)counter;
    ENTER_DEVICE(handle);
    *count = type == 1 ? device->uncorrected_errors : 0;
    return device->has_ecc ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetRemappedRows(handle_t handle, uint32_t *corrected, uint32_t *uncorrected, uint32_t *pending,
                              uint32_t *failed) {
    ENTER_DEVICE(handle);
    *corrected = device->rows_corrected;
    *uncorrected = device->rows_uncorrected;
    *pending = device->rows_pending;
    *failed = device->rows_failed;
    return device->has_ecc ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetFieldValues(handle_t handle, int32_t count, field_value *values) {
    ENTER_DEVICE(handle);
    for (int32_t i = 0; i < count; i++) values[i].code = NOT_SUPPORTED;
    return OK;
}

#define UNSUPPORTED(name)                                                                                              \
    int name(handle_t handle, void *first, void *second) {                                                             \
        (void)first, (void)second;                                                                                     \
        ENTER_DEVICE(handle);                                                                                          \
        return NOT_SUPPORTED;                                                                                          \
    }

UNSUPPORTED(nvmlDeviceGetMemoryLimits_v1)
UNSUPPORTED(nvmlDeviceSetMemoryLimits_v1)
UNSUPPORTED(nvmlDeviceGetBAR1MemoryInfo)
UNSUPPORTED(nvmlDeviceGetClockInfo)
UNSUPPORTED(nvmlDeviceGetDecoderUtilization)
UNSUPPORTED(nvmlDeviceGetDisplayActive)
UNSUPPORTED(nvmlDeviceGetDisplayMode)
UNSUPPORTED(nvmlDeviceGetDriverModel)
UNSUPPORTED(nvmlDeviceGetEncoderUtilization)
UNSUPPORTED(nvmlDeviceGetFanSpeed)
UNSUPPORTED(nvmlDeviceGetMaxClockInfo)
UNSUPPORTED(nvmlDeviceGetPcieThroughput)
UNSUPPORTED(nvmlDeviceGetPerformanceState)
UNSUPPORTED(nvmlDeviceGetPowerManagementLimit)
UNSUPPORTED(nvmlDeviceGetPowerUsage)

/* -------------------------------------------------------------------------------------------------------- events */

int nvmlEventSetCreate(struct event_set **answer) {
    ENTER(NO_DEVICE);
    for (int i = 0; i < MAX_EVENT_SETS; i++) {
        if (event_sets[i].used) continue;
        event_sets[i] = (struct event_set){1, __atomic_load_n(&state->events_written, __ATOMIC_SEQ_CST), 0};
        *answer = &event_sets[i];
        return OK;
    }
    return INSUFFICIENT_SIZE;
}

int nvmlEventSetFree(struct event_set *set) {
    ENTER(NO_DEVICE);
    set->used = 0;
    return OK;
}

int nvmlDeviceGetSupportedEventTypes(handle_t handle, uint64_t *types) {
    ENTER_DEVICE(handle);
    *types = device->parent < 0 ? 0x1f : 0;
    return OK;
}

int nvmlDeviceRegisterEvents(handle_t handle, uint64_t types, struct event_set *set) {
    (void)types;
    ENTER_DEVICE(handle);
    if (device->parent >= 0) return NOT_SUPPORTED;
    set->registered |= 1ull << at;
    return OK;
}

static int next_event(struct event_set *set, event_data *answer) {
    while (set->next != __atomic_load_n(&state->events_written, __ATOMIC_SEQ_CST)) {
        struct event *event = &state->events[set->next++ % MAX_EVENTS];
        if (!(set->registered >> event->device & 1)) continue;
        *answer = (event_data){handle_of(event->device), event->type, event->data, event->instance, event->instance};
        return 1;
    }
    return 0;
}

int nvmlEventSetWait_v2(struct event_set *set, event_data *answer, uint32_t timeout_ms) {
    struct timespec began, now;
    ENTER(NO_DEVICE);
    clock_gettime(CLOCK_MONOTONIC, &began);
    do {
        if (next_event(set, answer)) return OK;
        pause_s(0.002);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 < timeout_ms);
    return TIMEOUT;
}
