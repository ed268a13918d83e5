/* Buffers that a GPU may still be reading.  One is used again only after its
 * last view has died AND events recorded after its last possible use have
 * completed.  Who sees a view die (any thread, no CUDA there) cannot know the
 * consumer's stream; so the dead wait until the consumer marks them:
 *
 *   FREE -> LEASED -> DEAD (views gone) -> MARKED (events recorded) -> FREE
 */
#ifndef STK_GUARD_H
#define STK_GUARD_H

#include <pthread.h>
#include <stdbool.h>

#include "pin/cuda.h"

enum { STK_GUARD_STREAMS = 8 }; /* that may read one batch */

enum stk_guard_state {
    STK_GUARD_FREE,
    STK_GUARD_LEASED,
    STK_GUARD_DEAD,
    STK_GUARD_MARKED,
};

struct stk_guarded {
    enum stk_guard_state state;
    uint64_t marked_at; /* order of marks: the oldest is waited for first */
    int n_streams;      /* that the lessee named */
    CUstream streams[STK_GUARD_STREAMS];
    int n_events; /* recorded, of those made */
    CUevent events[STK_GUARD_STREAMS + 1];
};

/* Any thread; everything is under the lock. */
struct stk_guard {
    const struct stk_cuda *cuda;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t n;
    struct stk_guarded *slots;
    CUstream last_stream; /* of the last mark */
    uint64_t n_marks;
    bool uses_context;    /* events of the whole context, not of streams */
    int n_waiting;        /* consumers that sleep in next */
    stoker_error failure; /* code 0: none; sticky, every mark returns it */
    bool is_stopped;
};

int stk_guard_open(struct stk_guard *guard, const struct stk_cuda *cuda,
                   uint32_t n, bool uses_context, stoker_error *err);
/* The caller has synchronised the context. */
void stk_guard_close(struct stk_guard *guard);
/* As close, where the driver no longer answers: its events are lost. */
void stk_guard_forget(struct stk_guard *guard);

void stk_guard_lease(struct stk_guard *guard, uint32_t slot);
/* Never used: back to FREE without a mark. */
void stk_guard_unlease(struct stk_guard *guard, uint32_t slot);

/* The lessee works on this stream too.  -ENOSPC over STK_GUARD_STREAMS. */
int stk_guard_add_stream(struct stk_guard *guard, uint32_t slot,
                         CUstream stream, stoker_error *err);

/* The last view died; calls no CUDA, so it may run at shutdown. */
void stk_guard_die(struct stk_guard *guard, uint32_t slot);

/* Records events for every dead slot, on its own streams and on `stream`;
 * use_stream false: on its own streams where it has some, else on that of the
 * last mark.  Where the guard uses the context: one event behind all that any
 * of its streams was given.  A slot one of whose streams is captured into a
 * graph stays dead: an event recorded there would become a part of the graph.
 */
int stk_guard_mark(struct stk_guard *guard, CUstream stream, bool use_stream,
                   stoker_error *err);

/* A consumer begins and ends to sleep in next: what dies meanwhile is marked
 * at once, by who takes, on the stream of the last mark. */
void stk_guard_begin_wait(struct stk_guard *guard);
void stk_guard_end_wait(struct stk_guard *guard);

/* The driver failed where no call of the consumer is: the next mark and
 * stk_guard_check() return err. */
void stk_guard_fail(struct stk_guard *guard, const stoker_error *err);
int stk_guard_check(struct stk_guard *guard, stoker_error *err);

/* die and mark of one slot.  Where recording fails, the slot stays dead and
 * remembers the stream for the next mark. */
int stk_guard_die_on(struct stk_guard *guard, uint32_t slot, CUstream stream,
                     stoker_error *err);

/* The slot that was marked first, its events in the caller's hands until
 * stk_guard_free(); waits until deadline_ns.  Context current.
 * Returns 0, STOKER_TIMEOUT, STOKER_END when stopped. */
int stk_guard_take_marked(struct stk_guard *guard, int64_t deadline_ns,
                          uint32_t *slot);
void stk_guard_free(struct stk_guard *guard, uint32_t slot);

/* A slot to fill: a free one (no events to wait for), else the one that was
 * marked first; it becomes leased.  As above. */
int stk_guard_take_any(struct stk_guard *guard, int64_t deadline_ns,
                       uint32_t *slot);

/* How many are in each state, for texts. */
uint32_t stk_guard_count(struct stk_guard *guard, enum stk_guard_state state);

void stk_guard_stop(struct stk_guard *guard);
void stk_guard_go(struct stk_guard *guard);

#endif
