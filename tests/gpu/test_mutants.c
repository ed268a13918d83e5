/* The proof of the proof: each mutant leaves out or misplaces one step of what
 * keeps a buffer from being written too early, by changing the driver that the
 * loader sees, its state, or the consumer; the stand-in must catch each. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "reuse_runs.h"

/* Of the run under way. */
static struct stk_device *device;
static struct stk_guard *guard;
static CUstream copier, idle; /* the loader's; one without work */

static CUresult no_event_wait(CUevent event)
{
    (void)event;
    return CUDA_SUCCESS;
}

static CUresult no_record(CUevent event, CUstream stream)
{
    (void)event, (void)stream;
    return CUDA_SUCCESS;
}

static CUresult no_context_record(CUcontext context, CUevent event)
{
    (void)context, (void)event;
    return CUDA_SUCCESS;
}

static CUresult context_record_of_one_stream(CUcontext context, CUevent event)
{
    (void)context;
    return rig.user.cuEventRecord(event, idle);
}

static CUresult record_elsewhere(CUevent event, CUstream stream)
{
    return rig.user.cuEventRecord(event, stream == copier ? copier : idle);
}

/* Of two events of a slot, only that of the stream of the mark. */
static CUresult wait_of_the_last_stream(CUevent event)
{
    for (uint32_t i = 0; i < guard->n; i++)
        if (guard->slots[i].n_events == 2 && guard->slots[i].events[0] == event)
            return CUDA_SUCCESS;
    return rig.user.cuEventSynchronize(event);
}

static CUresult wait_of_the_neighbour(CUevent event)
{
    for (uint32_t i = 0; i < guard->n; i++)
        if (guard->slots[i].events[0] == event) {
            /* One too low: an event that completes earlier. */
            event = guard->slots[(i + guard->n - 1) % guard->n].events[0];
            break;
        }
    return event ? rig.user.cuEventSynchronize(event) : CUDA_SUCCESS;
}

static CUresult no_wait_of_the_copier(CUstream stream, CUevent event,
                                      unsigned flags)
{
    return stream == copier ? CUDA_SUCCESS
                            : rig.user.cuStreamWaitEvent(stream, event, flags);
}

static CUresult no_wait_of_the_consumer(CUstream stream, CUevent event,
                                        unsigned flags)
{
    return stream != copier ? CUDA_SUCCESS
                            : rig.user.cuStreamWaitEvent(stream, event, flags);
}

static CUresult consumer_waits_of_the_neighbour(CUstream stream, CUevent event,
                                                unsigned flags)
{
    for (uint32_t i = 0; stream != copier && i < device->n; i++)
        if (device->buffers[i].copied == event) {
            /* One too low: the batch before this one. */
            event = device->buffers[(i + device->n - 1) % device->n].copied;
            break;
        }
    return rig.user.cuStreamWaitEvent(stream, event, flags);
}

static CUresult copy_to_the_neighbour(CUdeviceptr to, const void *from,
                                      size_t bytes, CUstream stream)
{
    for (uint32_t i = 0; i < device->n; i++)
        if (device->buffers[i].raw == to) {
            to = device->buffers[(i + 1) % device->n].raw;
            break;
        }
    return rig.user.cuMemcpyHtoDAsync(to, from, bytes, stream);
}

/* What is given to the copier's stream behind the next record there. */
static struct {
    CUdeviceptr to;
    const void *from;
    size_t bytes;
} late;

static CUresult keep_copy(CUdeviceptr to, const void *from, size_t bytes,
                          CUstream stream)
{
    if (stream != copier)
        return rig.user.cuMemcpyHtoDAsync(to, from, bytes, stream);
    late.to = to;
    late.from = from;
    late.bytes = bytes;
    return CUDA_SUCCESS;
}

static CUresult record_then_copy(CUevent event, CUstream stream)
{
    CUresult code = rig.user.cuEventRecord(event, stream);

    if (stream == copier && late.bytes)
        code =
            rig.user.cuMemcpyHtoDAsync(late.to, late.from, late.bytes, copier);
    if (stream == copier)
        late.bytes = 0;
    return code;
}

static CUresult launch_elsewhere(CUfunction f, unsigned gx, unsigned gy,
                                 unsigned gz, unsigned bx, unsigned by,
                                 unsigned bz, unsigned shared, CUstream stream,
                                 void **arguments, void **extra)
{
    (void)stream;
    return rig.user.cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, idle,
                                   arguments, extra);
}

/* ---- where they are put in ---------------------------------------------- */

static struct stk_cuda *driver_of(stoker_loader *loader)
{
    struct stk_gpu *gpu = loader->home->gpu;

    device = &gpu->device;
    guard = &gpu->guard;
    copier = device->stream;
    return &gpu->cuda;
}

#define MUTATE(name, call, mutant)                                             \
    static void name(stoker_loader *loader)                                    \
    {                                                                          \
        driver_of(loader)->call = mutant;                                      \
    }
MUTATE(without_event_wait, cuEventSynchronize, no_event_wait)
MUTATE(without_records, cuEventRecord, no_record)
MUTATE(without_context_records, cuCtxRecordEvent, no_context_record)
MUTATE(one_stream_for_the_context, cuCtxRecordEvent,
       context_record_of_one_stream)
MUTATE(wrong_stream, cuEventRecord, record_elsewhere)
MUTATE(last_event_only, cuEventSynchronize, wait_of_the_last_stream)
MUTATE(event_of_the_neighbour, cuEventSynchronize, wait_of_the_neighbour)
MUTATE(copier_without_waits, cuStreamWaitEvent, no_wait_of_the_copier)
MUTATE(acquire_without_wait, cuStreamWaitEvent, no_wait_of_the_consumer)
MUTATE(acquire_of_the_neighbour, cuStreamWaitEvent,
       consumer_waits_of_the_neighbour)
MUTATE(ring_off_by_one, cuMemcpyHtoDAsync, copy_to_the_neighbour)
MUTATE(kernel_on_another_stream, cuLaunchKernel, launch_elsewhere)

static void event_before_the_copy(stoker_loader *loader)
{
    driver_of(loader)->cuMemcpyHtoDAsync = keep_copy;
    driver_of(loader)->cuEventRecord = record_then_copy;
}

/* A ring that thinks it has one buffer more than there are. */
static CUdeviceptr hidden;

static void ring_one_too_short(stoker_loader *loader)
{
    driver_of(loader);
    hidden = device->buffers[1].raw;
    device->buffers[1].raw = device->buffers[1].image = device->buffers[0].raw;
}

struct mutant {
    const char *name;
    struct reuse_run run;
    bool is_device;
};

static const struct mutant mutants[] = {
    {"no event is waited for", {.mutate = without_event_wait}, false},
    {"no event is recorded", {.mutate = without_records}, false},
    {"the event is recorded before the copy", {.marks_early = true}, false},
    {"the event is recorded on another stream",
     {.mutate = wrong_stream},
     false},
    {"reused when dead, not when marked", {.frees_at_once = true}, false},
    {"of two streams one is waited for",
     {.mutate = last_event_only, .uses_second_stream = true},
     false},
    {"the neighbour's event is waited for",
     {.mutate = event_of_the_neighbour},
     false},
    {"a second stream is not named (a consumer's mistake)",
     {.uses_second_stream = true, .forgets_record = true},
     false},
    {"nobody marks (a consumer's mistake)", {.forgets_mark = true}, false},
    {"no event of the context is recorded",
     {.mutate = without_context_records, .guard = STOKER_GUARD_CONTEXT},
     false},
    {"the context's event is one stream's",
     {.mutate = one_stream_for_the_context, .guard = STOKER_GUARD_CONTEXT},
     false},
    {"the host buffer does not wait for its copy",
     {.mutate = without_event_wait},
     true},
    {"the copy does not wait for the last reader",
     {.mutate = copier_without_waits},
     true},
    {"acquire does not wait for the copy",
     {.mutate = acquire_without_wait},
     true},
    {"acquire waits for the buffer before",
     {.mutate = acquire_of_the_neighbour},
     true},
    {"no event is recorded", {.mutate = without_records}, true},
    {"the event is recorded before the copy",
     {.mutate = event_before_the_copy},
     true},
    {"the reader's event is recorded on another stream",
     {.mutate = wrong_stream},
     true},
    {"the copy goes one buffer too far", {.mutate = ring_off_by_one}, true},
    {"two slots of the ring share a buffer",
     {.mutate = ring_one_too_short},
     true},
    {"the kernel runs on another stream",
     {.mutate = kernel_on_another_stream, .is_float = true},
     true},
    {"released without an event", {.forgets_release = true}, true},
    {"the context's event is not recorded",
     {.mutate = without_context_records, .guard = STOKER_GUARD_CONTEXT},
     true},
    {"the consumer does not acquire (its own mistake)",
     {.forgets_acquire = true},
     true},
};
enum { N_MUTANTS = sizeof mutants / sizeof mutants[0] };

START_TEST(test_every_mutant_is_caught)
{
    const struct mutant *mutant = &mutants[_i];

    rig.may_leave = true; /* what a mutant has broken cannot be given back */
    rig.pace(9, 3000, 0);
    rig.user.cuStreamCreate(&idle, 1);
    int64_t n = mutant->is_device ? reuse_run_device(128, mutant->run)
                                  : reuse_run_host(128, mutant->run);
    printf("%s: %s: caught %lld times in 128 batches\n",
           mutant->is_device ? "device" : "host", mutant->name, (long long)n);
    ck_assert_msg(n > 0, "survives: %s", mutant->name);
}
END_TEST

int main(void)
{
    if (STK_WATCHES_THREADS) {
        puts("SKIPPED: mutants race on purpose, the thread sanitizer would "
             "stop at each");
        return 77;
    }
    Suite *s = suite_create("mutants");
    TCase *tc = tcase_create("mutants");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    tcase_add_loop_test(tc, test_every_mutant_is_caught, 0, N_MUTANTS);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    printf("%d of %d mutants caught\n", N_MUTANTS - failed, N_MUTANTS);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
