/* Tensors for other libraries.  The structs below are the binary interface of
 * DLPack 1.0 and of its unversioned predecessor, as dlpack.h states it; the
 * deleters are plain C, so any thread may run them, also at shutdown. */
#include <errno.h>
#include <stdbool.h>

#include "base/mem.h"
#include "loader/batch.h"

struct dl_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t type_code, type_bits;
    uint16_t type_lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};

struct dl_managed {
    struct dl_tensor tensor;
    void *context;
    void (*deleter)(struct dl_managed *self);
};

struct dl_managed_versioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct dl_managed_versioned *self);
    uint64_t flags;
    struct dl_tensor tensor;
};

enum { DL_CPU = 1, DL_CUDA = 2, DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2 };
enum { DL_BFLOAT = 4 };

struct export
{
    union {
        struct dl_managed old;
        struct dl_managed_versioned versioned;
    } as;
    stoker_batch *batch;
    bool image;
    int64_t shape[8], strides[8];
};

static void export_free(struct export *self)
{
    stk_batch_drop(self->batch, self->image);
    stk_free(self);
}

static void delete_old(struct dl_managed *managed)
{
    export_free(managed->context);
}

static void delete_versioned(struct dl_managed_versioned *managed)
{
    export_free(managed->context);
}

static void set_type(struct dl_tensor *out, int dtype)
{
    static const uint8_t code[] = {DL_UINT,  DL_FLOAT, DL_BFLOAT,
                                   DL_FLOAT, DL_INT,   DL_INT};
    static const uint8_t bits[] = {8, 16, 16, 32, 32, 64};

    out->type_code = code[dtype];
    out->type_bits = bits[dtype];
    out->type_lanes = 1;
}

int stk_batch_dlpack(stoker_batch *batch, const char *name, bool versioned,
                     void **out, stoker_error *err)
{
    stoker_tensor tensor = {.size = sizeof tensor};

    if (stk_batch_tensor(batch, name, &tensor) < 0)
        return stk_fail(err, -ENOENT, "batch has no tensor \"%s\"", name);
    struct export *self = stk_calloc(1, sizeof *self);
    if (!self)
        return stk_fail(err, -ENOMEM, "dlpack: no memory");
    self->batch = batch;
    /* On the device label and valid lie in the image's buffer. */
    self->image = tensor.data == batch->image || tensor.device >= 0;
    for (int i = 0; i < tensor.n_dims; i++) {
        self->shape[i] = tensor.shape[i];
        self->strides[i] = tensor.strides[i];
    }
    struct dl_tensor dl = {
        .data = tensor.data,
        .device_type = tensor.device < 0 ? DL_CPU : DL_CUDA,
        .device_id = tensor.device < 0 ? 0 : tensor.device,
        .ndim = tensor.n_dims,
        .shape = self->shape,
        .strides = self->strides,
    };
    set_type(&dl, tensor.dtype);
    if (versioned)
        self->as.versioned =
            (struct dl_managed_versioned){1, 0, self, delete_versioned, 0, dl};
    else
        self->as.old = (struct dl_managed){dl, self, delete_old};
    stk_batch_retain(batch, self->image);
    *out = &self->as;
    return 0;
}
