/* Device mode: one thread takes full batches out of the ring, copies them
 * into device buffers on a stream of its own, and queues them for next. */
#ifndef STK_FEED_H
#define STK_FEED_H

#include "loader/loader.h"
#include "sync/thread.h"

struct stk_feed {
    stoker_loader *loader;
    struct stk_thread thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    stoker_batch **queue; /* at most one a device buffer */
    uint32_t n, first, n_queued;
    bool is_stopped, is_over; /* over: the run's last batch is queued */
    stoker_error error;       /* ends the run behind what is queued */
};

int stk_feed_open(struct stk_feed **out, stoker_loader *loader,
                  stoker_error *err);
int stk_feed_start(struct stk_feed *feed, stoker_error *err);
/* The next batch; waits until timeout_ms (-1: as long as it takes).
 * Returns as stk_loader_take(). */
int stk_feed_take(struct stk_feed *feed, stoker_batch **out, int timeout_ms,
                  stoker_error *err);
/* Joins the thread and forgets what is queued. */
int stk_feed_stop(struct stk_feed *feed, int64_t deadline_ns);
void stk_feed_close(struct stk_feed *feed);

/* Bytes of a host buffer: the image rows, then label and valid, so that one
 * copy takes all that lies on the device. */
size_t stk_feed_buffer_bytes(size_t image_bytes, size_t n_rows,
                             size_t *label_at, size_t *valid_at);

#endif
