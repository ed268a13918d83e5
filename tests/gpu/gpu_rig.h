/* What the tests of pinned and device batches share: the stand-in driver's
 * knobs, and consumers that do what torch does. */
#ifndef GPU_RIG_H
#define GPU_RIG_H

#include "../api/photos.h"
#include "loader/loader.h"
#include "standin.h"

enum { ROW = 192, ROWS = 8, IMAGE = ROWS * ROW };

struct rig {
    struct photos photos;
    stoker_dataset *ds;
    stoker_transform list[2];
    stoker_error err;
    void *driver;
    standin_counts_fn *get_counts;
    standin_fail_fn *fail_call;
    standin_pace_fn *pace;
    standin_capture_fn *capture;
    standin_capture_stream_fn *capture_stream;
    standin_calls_fn *calls;
    standin_waits_fn *waits;
    standin_hold_fn *hold;
    standin_wait_held_fn *wait_held;
    standin_spare_fn *spare;
    standin_forgive_depth_fn *forgive_depth;
    standin_shut_down_fn *shut_down;
    bool may_leave; /* a lost device: not all can be given back */
    CUresult (*copy_back)(void *to, CUdeviceptr from, size_t bytes,
                          CUstream stream);
    struct stk_cuda user; /* the consumer's own view of the driver */
};
extern struct rig rig;

/* libcheck's checked fixture; the end of each test counts what is left. */
void rig_setup(void);
void rig_teardown(void);

struct standin_counts rig_counts(void);
/* device -1: host mode with pin required. */
stoker_options rig_options(int device, int dtype);
stoker_loader *rig_open(const stoker_options *opt);
stoker_batch *rig_next(stoker_loader *loader);
stoker_tensor rig_tensor(const stoker_batch *batch, const char *name);

/* A view, an asynchronous copy on `stream`, and the view dies while the copy
 * may still wait. */
void rig_copy_and_forget(stoker_batch *batch, CUdeviceptr to, CUstream stream);

#endif
