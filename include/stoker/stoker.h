/* The whole C contract of stoker: a native data plane that keeps a GPU fed.
 *
 * Two nouns, one pull verb, one lease.  A *dataset* says what there is: it is
 * immutable and may be shared by loaders and threads.  A *loader* says how it
 * is fed.  stoker_loader_next() hands out *batches* in order; a batch is a
 * lease on memory of the loader until it is released, also after close.
 *
 * Every function that can fail returns 0 (STOKER_OK), a positive ordinary
 * outcome, or a negated errno, and fills the error that the caller brought
 * (which may be NULL).  Structs that may grow carry their size first.
 * Each function's comment says what it owns, which threads may call it, and
 * what it returns, in that order. */
#ifndef STOKER_STOKER_H
#define STOKER_STOKER_H

#include <stddef.h>
#include <stdint.h>

#define STOKER_VERSION_MAJOR 0
#define STOKER_VERSION_MINOR 1
#define STOKER_VERSION_PATCH 0

#if defined(STOKER_BUILD)
#define STOKER_API __attribute__((visibility("default")))
#else
#define STOKER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- outcomes and errors ------------------------------------------------- */

enum {
    STOKER_OK = 0,      /* done */
    STOKER_END = 1,     /* the epoch has no more batches */
    STOKER_TIMEOUT = 2, /* nothing was ready in time; ask again */
};

/* Where in the pipeline an error arose. */
typedef enum stoker_stage {
    STOKER_STAGE_NONE = 0,
    STOKER_STAGE_PLAN = 1,
    STOKER_STAGE_READ = 2,
    STOKER_STAGE_PROBE = 3,
    STOKER_STAGE_DECODE = 4,
    STOKER_STAGE_AUGMENT = 5,
    STOKER_STAGE_BATCH = 6,
    STOKER_STAGE_DEVICE = 7,
} stoker_stage;

/* code is a negated errno.  The codes of bad samples: -EBADMSG bad data,
 * -ENODATA truncated or empty, -EFBIG over a limit, -ESTALE changed while it
 * was read, -ETIMEDOUT stalled, -ENOENT vanished, -EACCES unreadable,
 * -EIO the storage failed, -EISDIR or -EINVAL not a regular file,
 * -ENOTSUP a format that this build does not read, -ERANGE an image too small
 * for the transforms.  text names the file and the reason; a long path is cut
 * in its middle. */
typedef struct stoker_error {
    int code;
    int stage;  /* a stoker_stage */
    int64_t id; /* the sample, or -1 */
    char text[496];
} stoker_error;

/* The library's version, "0.1.0".  Owns nothing.  Any thread. */
STOKER_API const char *stoker_version(void);

/* ---- dataset: what there is ---------------------------------------------- */

typedef struct stoker_dataset stoker_dataset;

/* Where a part's bytes come from. */
typedef enum stoker_source {
    STOKER_SOURCE_FILE = 0,   /* path; offset 0 and length -1: the whole file */
    STOKER_SOURCE_MEMORY = 1, /* data, length; must outlive the dataset */
} stoker_source;

/* One sample to be.  Paths and data are borrowed: paths are copied, data must
 * stay until the dataset and every loader and batch made from it are gone. */
typedef struct stoker_item {
    const char *name;  /* for errors and stoker_dataset_path; NULL: the path */
    int32_t source;    /* a stoker_source */
    int32_t reserved0; /* 0 */
    const char *path;  /* FILE: the file, or the shard that holds the range */
    const void *data;  /* MEMORY: the bytes */
    int64_t offset;    /* FILE: first byte of the range */
    int64_t length;    /* bytes, or -1: to the end of the file */
    int64_t label;     /* any value; classes are not implied */
} stoker_item;

/* Options of a scan.  Set by stoker_folder_options_init(). */
typedef struct stoker_folder_options {
    size_t size;         /* sizeof(stoker_folder_options) */
    int32_t hash_sizes;  /* [0] 1: the fingerprint also covers file sizes */
    int32_t allow_empty; /* [0] 1: a class without a valid file is no error */
    int32_t stall_timeout_ms; /* [120000] a system call that does not answer
                                 for so long is an error */
    int32_t reserved0;
} stoker_folder_options;

STOKER_API void stoker_folder_options_init(stoker_folder_options *opt,
                                           size_t size);

/* Scans a folder with the meaning of torchvision.datasets.ImageFolder: each
 * sub-folder is a class, classes are sorted by name, files lie at any depth
 * below (walked in the order of os.walk(followlinks=True) with sorted roots
 * and sorted names) and end, in any case, in .jpg .jpeg .png .ppm .bmp .pgm
 * .tif .tiff or .webp.  Symbolic links are followed; a loop is an error that
 * names it.  ids are 0 ... count-1 in ImageFolder's order.  opt may be NULL.
 * Owns: *out is the caller's, freed by stoker_dataset_free().
 * Thread: any.
 * Returns 0; -ENOENT no such folder, -ENOTDIR, -EACCES, -ENODATA no class
 * folder or a class without an image, -ELOOP, -ENAMETOOLONG, -EINVAL, -ENOMEM,
 * what the storage fails with; -ETIMEDOUT when it hangs: the thread that lists
 * is left behind. */
STOKER_API int stoker_dataset_from_folder(stoker_dataset **out,
                                          const char *root,
                                          const stoker_folder_options *opt,
                                          stoker_error *err);

/* Makes a dataset of n items; item_bytes is sizeof(stoker_item).
 * Owns: *out is the caller's.  Names and paths are copied, memory is not.
 * Thread: any.
 * Returns 0; -EINVAL with the index of the item that is wrong, -ENOMEM. */
STOKER_API int stoker_dataset_from_items(stoker_dataset **out,
                                         const stoker_item *items, size_t n,
                                         size_t item_bytes, stoker_error *err);

/* Gives the caller's share back; loaders keep theirs.  NULL is nothing.
 * Thread: any, once a share. */
STOKER_API void stoker_dataset_free(stoker_dataset *ds);

/* How many items, how many classes (0 when made from items).  Any thread. */
STOKER_API int64_t stoker_dataset_count(const stoker_dataset *ds);
STOKER_API int64_t stoker_dataset_n_classes(const stoker_dataset *ds);

/* A class's name; NULL outside 0 ... n_classes-1.
 * Owns: the dataset's, until it is freed.  Any thread. */
STOKER_API const char *stoker_dataset_class(const stoker_dataset *ds,
                                            int64_t index);

/* An item's label; -1 outside the dataset.  Any thread. */
STOKER_API int64_t stoker_dataset_label(const stoker_dataset *ds, int64_t id);

/* Writes an item's name (a folder's: a path that can be opened), cut to bytes
 * with a final 0, into text.  Any thread.
 * Returns the whole length without the 0, or -EINVAL outside the dataset. */
STOKER_API int64_t stoker_dataset_path(const stoker_dataset *ds, int64_t id,
                                       char *text, size_t bytes);

/* 128 bits over relative names and labels (and sizes if asked), the same on
 * every machine for the same data.  Any thread. */
STOKER_API void stoker_dataset_fingerprint(const stoker_dataset *ds,
                                           uint8_t out[16]);

/* ---- transforms: torchvision.transforms.v2, by name ---------------------- */

typedef enum stoker_transform_kind {
    STOKER_RANDOM_RESIZED_CROP = 1,
    STOKER_RESIZE = 2,
    STOKER_CENTER_CROP = 3,
    STOKER_RANDOM_CROP = 4,
    STOKER_RANDOM_HORIZONTAL_FLIP = 5,
    STOKER_RANDOM_VERTICAL_FLIP = 6,
    STOKER_NORMALIZE = 7,
} stoker_transform_kind;

typedef enum stoker_interpolation {
    STOKER_BILINEAR = 2, /* the numbers are Pillow's */
    STOKER_BICUBIC = 3,
} stoker_interpolation;

/* One entry of the transform list, 128 bytes in every version.
 * The grammar: [RandomResizedCrop | Resize? (CenterCrop | RandomCrop)?]
 * flips* Normalize?  What cannot be folded into one resample is refused. */
typedef struct stoker_transform {
    int32_t kind; /* a stoker_transform_kind */
    int32_t reserved0;
    union {
        struct { /* RandomResizedCrop(size, scale, ratio, interpolation,
                    antialias) */
            int32_t height, width;
            double scale[2], ratio[2];
            int32_t interpolation, antialias;
        } random_resized_crop;
        struct { /* Resize(size, interpolation, max_size, antialias);
                    width 0: size is an int, the shorter side */
            int32_t height, width;
            int32_t interpolation, max_size, antialias;
        } resize;
        struct { /* CenterCrop(size), RandomCrop(size); padding must be 0 */
            int32_t height, width;
            int32_t padding;
        } crop;
        struct { /* RandomHorizontalFlip(p), RandomVerticalFlip(p) */
            double p;
        } flip;
        struct { /* Normalize(mean, std) */
            float mean[3], std[3];
        } normalize;
        unsigned char reserve[120];
    } as;
} stoker_transform;

/* torchvision's entries with torchvision's defaults.  Any thread. */
STOKER_API stoker_transform stoker_random_resized_crop(int height, int width);
STOKER_API stoker_transform stoker_resize(int height, int width);
STOKER_API stoker_transform stoker_center_crop(int height, int width);
STOKER_API stoker_transform stoker_random_crop(int height, int width);
STOKER_API stoker_transform stoker_random_horizontal_flip(double p);
STOKER_API stoker_transform stoker_random_vertical_flip(double p);
STOKER_API stoker_transform stoker_normalize(const float mean[3],
                                             const float std[3]);

/* ---- options ------------------------------------------------------------- */

typedef enum stoker_dtype {
    STOKER_U8 = 0,
    STOKER_F16 = 1,
    STOKER_BF16 = 2,
    STOKER_F32 = 3,
    STOKER_I32 = 4,
    STOKER_I64 = 5,
} stoker_dtype;

typedef enum stoker_layout { STOKER_NCHW = 0, STOKER_NHWC = 1 } stoker_layout;

typedef enum stoker_io {
    STOKER_IO_AUTO = 0, /* io_uring where allowed, else pread; stats say */
    STOKER_IO_URING = 1,
    STOKER_IO_PREAD = 2,
} stoker_io;

typedef enum stoker_decoder {
    STOKER_DECODER_AUTO = 0,    /* stoker's window decoder, else libjpeg */
    STOKER_DECODER_LIBJPEG = 1, /* libjpeg-turbo for every JPEG */
} stoker_decoder;

/* What a damaged file is worth. */
typedef enum stoker_damaged {
    STOKER_DAMAGED_PILLOW = 0,  /* what Pillow reads is read, else refused */
    STOKER_DAMAGED_STRICT = 1,  /* a warning of libjpeg is an error; decodes
                                   every file whole */
    STOKER_DAMAGED_LENIENT = 2, /* as LOAD_TRUNCATED_IMAGES: the rest is grey */
} stoker_damaged;

typedef enum stoker_on_error {
    STOKER_RAISE = 0,  /* the batch that holds the row is the error */
    STOKER_MASK = 1,   /* the row is zeros, valid 0, label -100, id kept */
    STOKER_REFILL = 2, /* another sample, keyed by the position, is taken */
} stoker_on_error;

typedef enum stoker_pixels {
    STOKER_PIXELS_PILLOW13 = 0, /* Pillow 13.0.0's order of resize passes */
    STOKER_PIXELS_PILLOW12 = 1, /* up to 12.2: always horizontal first */
} stoker_pixels;

/* Levels from the lowest: SCALAR, VEC128, AVX2, AVX512.  Numbers never change,
 * so they are not in that order. */
typedef enum stoker_cpu {
    STOKER_CPU_AUTO = 0, /* the best that this machine runs */
    STOKER_CPU_SCALAR = 1,
    STOKER_CPU_AVX2 = 2,
    STOKER_CPU_AVX512 = 3, /* F BW DQ VL VBMI VBMI2 VNNI */
    STOKER_CPU_VEC128 = 4, /* 16-byte vectors: SSE4.1 or NEON */
} stoker_cpu;

typedef enum stoker_pin {
    STOKER_PIN_OFF = 0,
    STOKER_PIN_AUTO = 1,    /* pinned if CUDA lets it, else plain memory */
    STOKER_PIN_REQUIRE = 2, /* open, or next when its buffer's turn comes,
                               fails if it cannot be pinned */
} stoker_pin;

/* What a buffer that the GPU may be reading waits for, once its views died. */
typedef enum stoker_guard {
    STOKER_GUARD_STREAMS = 0, /* the current stream and those named */
    STOKER_GUARD_CONTEXT = 1, /* all streams of the context, named or not; needs
                                 driver 12.5.  A graph that is being captured on
                                 any of them becomes invalid */
} stoker_guard;

typedef struct stoker_options {
    size_t size; /* sizeof(stoker_options), set by stoker_options_init() */

    /* plan */
    uint64_t seed;             /* [0] */
    int32_t shuffle;           /* [1] */
    int32_t drop_last;         /* [0] */
    int32_t rank, world_size;  /* [0, 1] */
    int64_t batch_size;        /* [64] rows a rank */
    int64_t global_batch_size; /* [0: batch_size * world_size] rows in all */
    int64_t n_epochs;          /* [0: no end] epochs 0 ... n_epochs-1 */

    /* read */
    int32_t io;               /* [STOKER_IO_AUTO] */
    int32_t n_workers;        /* [0: the CPUs this process may really use] */
    int32_t reads_ahead;      /* [8] reads in flight a worker, 1 ... 64; fewer
                                 where all workers' took over half of the
                                 descriptors that this process may have */
    int32_t stall_timeout_ms; /* [120000] a read older than this is an error */
    int32_t retry_ms;         /* [2000] how long transient errors are retried */
    int32_t reserved0;

    /* decode */
    int32_t decoder;           /* [STOKER_DECODER_AUTO] */
    int32_t damaged;           /* [STOKER_DAMAGED_PILLOW] */
    int64_t max_pixels;        /* [178956970: Pillow's own limit] */
    int64_t max_side;          /* [65500] */
    int64_t max_file_bytes;    /* [268435456] */
    int64_t max_decoder_bytes; /* [1 GiB] libjpeg's memory for one image */
    int32_t max_scans;         /* [500] progressive scans */
    int32_t max_decode_ms;     /* [30000] */

    /* augment */
    const stoker_transform *transforms; /* [NULL: RandomResizedCrop(224),
                                           RandomHorizontalFlip()] */
    size_t n_transforms;
    size_t transform_bytes; /* [sizeof(stoker_transform)] */
    int32_t pixels;         /* [STOKER_PIXELS_PILLOW13] */
    int32_t cpu;            /* [STOKER_CPU_AUTO] a lower one for comparison */

    /* batch */
    int32_t dtype;           /* [STOKER_U8] U8, F16, BF16 or F32 */
    int32_t layout;          /* [STOKER_NCHW] */
    int32_t on_error;        /* [STOKER_RAISE] */
    int32_t unlimited_bad;   /* [0] 1: no budget stops the run */
    int64_t max_bad;         /* [-1: max(100, 0.1 %) an epoch; the first 8 all
                                bad stops too] more bad samples in this
                                rank's share of an epoch stop the run */
    int64_t max_bad_run;     /* [32] so many bad samples in a row stop it */
    double max_bad_fraction; /* [-1: not set] as max_bad, of the share */
    const char *ledger_path; /* [NULL] JSON lines of bad samples, appended */

    /* memory */
    int32_t n_slots; /* [4] batches ahead, at least 2 */
    int32_t pin;     /* [STOKER_PIN_OFF] */
    void *arena;     /* [NULL] the caller's memory for the batches,
                        aligned to 4096; see stoker_arena_bytes() */
    size_t arena_bytes;
    int32_t huge_pages; /* [1] 0: none, 1: transparent, 2: hugetlb if any */
    int32_t numa_node;  /* [-1: the device's, or where the threads run] */

    /* device */
    int32_t device;           /* [-1: batches stay in host memory] ordinal */
    int32_t n_device_buffers; /* [3] at least 2 */
    int32_t device_normalize; /* [1] send u8, normalise and cast there */
    int32_t pin_device;       /* [-1: the current context's, else 0] whose
                                 primary context pins host memory */
    int32_t guard;            /* [STOKER_GUARD_STREAMS] */

    /* proof */
    int32_t digest_pixels; /* [0] 1: the digest covers pixels as well */
} stoker_options;

/* Sets the defaults that stand in brackets above; size is
 * sizeof(stoker_options).  Any thread. */
STOKER_API void stoker_options_init(stoker_options *opt, size_t size);

/* Bytes of batch memory that a loader with these options will use, so that a
 * caller can bring its own arena.  Any thread.
 * Returns 0; -EINVAL when the options are refused. */
STOKER_API int stoker_arena_bytes(const stoker_options *opt, size_t *bytes,
                                  stoker_error *err);

/* ---- cursor: where a run stands ------------------------------------------ */

#define STOKER_PLANNER_VERSION 1
#define STOKER_STATE_BYTES     192 /* of a packed cursor */

/* A position in a run.  It counts samples of the epoch's order, not batches,
 * so any world size and any batch size may load it. */
typedef struct stoker_cursor {
    size_t size; /* sizeof(stoker_cursor) */
    uint8_t fingerprint[16];
    int64_t n_items;
    uint64_t seed;
    int64_t epoch;
    int64_t consumed;         /* samples of the epoch, over all ranks */
    uint64_t transforms_hash; /* of the compiled transforms; differs: warned */
    int32_t shuffle;
    int32_t planner_version; /* differs: refused */
    int32_t pixels;          /* a stoker_pixels; differs: refused */
    int32_t on_error;
    char decoder[40]; /* "stoker-1 libjpeg-turbo-2.1.5"; differs: warned */
} stoker_cursor;

/* A fixed little-endian record with magic, version, length and checksum.
 * unpack wants cursor->size set, and fills the rest.
 * Any thread.  unpack returns -EBADMSG with the reason for hostile bytes. */
STOKER_API void stoker_cursor_pack(const stoker_cursor *cursor,
                                   uint8_t out[STOKER_STATE_BYTES]);
STOKER_API int stoker_cursor_unpack(stoker_cursor *cursor, const void *bytes,
                                    size_t n, stoker_error *err);

/* ---- plan: who gets which id, without reading an image ------------------- */

/* Steps of an epoch from consumed samples on, for n_items and these options
 * (n_items to 10^12; nothing is allocated).  Any thread.
 * Returns the steps, or -EINVAL. */
STOKER_API int64_t stoker_plan_steps(const stoker_options *opt, int64_t n_items,
                                     int64_t consumed, stoker_error *err);

/* The ids of this rank's batch `step` steps after consumed, -1 for padding.
 * ids has room for n; *n_rows says how many there are.  Any thread.
 * Returns 0; STOKER_END behind the last step; -EINVAL, -ENOSPC. */
STOKER_API int stoker_plan_ids(const stoker_options *opt, int64_t n_items,
                               int64_t epoch, int64_t consumed, int64_t step,
                               int64_t *ids, size_t n, size_t *n_rows,
                               stoker_error *err);

/* The ids that drop_last leaves out of an epoch that is played from its begin
 * (all ranks); as above. */
STOKER_API int stoker_plan_dropped(const stoker_options *opt, int64_t n_items,
                                   int64_t epoch, int64_t *ids, size_t n,
                                   size_t *n_rows, stoker_error *err);

/* The id at an epoch's position of the order (attempt 0), or the substitute
 * that refill takes there (attempt 1, 2, ...).  -1 out of range. */
STOKER_API int64_t stoker_plan_id(const stoker_options *opt, int64_t n_items,
                                  int64_t epoch, int64_t position,
                                  int32_t attempt);

/* An order-independent 128-bit sum over ids: what ranks and lives of a run
 * delivered can be added up and compared with what the plan expects. */
typedef struct stoker_digest {
    uint64_t good[2];   /* valid rows, 128-bit little-endian sum */
    uint64_t bad[2];    /* rows that were masked */
    uint64_t refill[2]; /* declared duplicates that stood in for bad rows */
    uint64_t pixels[2]; /* with digest_pixels: id and image of valid rows, as
                           the workers wrote them (before device_normalize) */
    int64_t n_good, n_bad, n_refill;
} stoker_digest;

/* sum += more.  Any thread. */
STOKER_API void stoker_digest_add(stoker_digest *sum,
                                  const stoker_digest *more);

/* Writes to out->good what good and bad rows of positions from ... to-1 of an
 * epoch must sum up to together.
 * O(to - from).  Any thread.  Returns 0 or -EINVAL. */
STOKER_API int stoker_plan_digest(const stoker_options *opt, int64_t n_items,
                                  int64_t epoch, int64_t from, int64_t to,
                                  stoker_digest *out, stoker_error *err);

/* ---- loader: how it is fed ----------------------------------------------- */

typedef struct stoker_loader stoker_loader;
typedef struct stoker_batch stoker_batch;

/* Checks the options, compiles the transforms and allocates the arena; no
 * thread starts and no file is read before the first next.
 * Owns: *out is the caller's until stoker_loader_close(); the loader retains
 * ds and copies opt.
 * Thread: any.
 * Returns 0; -EINVAL with the option or transform that is refused, -ENOMEM,
 * -ENOTSUP, -EPERM (a named I/O engine that the system refuses), -ENODEV or
 * -EIO (CUDA, where it is required), or why the ledger cannot be opened. */
STOKER_API int stoker_loader_open(stoker_loader **out, stoker_dataset *ds,
                                  const stoker_options *opt, stoker_error *err);

/* Moves the run: to another epoch, or to a saved cursor.  Batches read ahead
 * are forgotten, leases stay valid, the arena is kept.
 * Thread: the one that calls next.
 * Returns 0, with a warning in err->text (else "") where the transforms or
 * the decoder's version differ; -ESTALE when fingerprint, seed, order or
 * planner version differ, with the sentence that says which; -EINVAL outside
 * the epoch; -ETIMEDOUT when a worker hangs in a read; -EOWNERDEAD, -ECANCELED
 * as next. */
STOKER_API int stoker_loader_seek(stoker_loader *loader,
                                  const stoker_cursor *to, stoker_error *err);

/* The place behind the last batch that next handed out.  Any thread. */
STOKER_API void stoker_loader_cursor(stoker_loader *loader, stoker_cursor *out);

/* Hands out the next batch of this rank, waiting up to timeout_ms (-1: as
 * long as it takes).  Batches come in order, those of one epoch and then
 * STOKER_END once, and then the next epoch's.
 * Owns: *out is leased to the caller until stoker_batch_release().
 * Thread: any, one at a time (calls are serialised).
 * Returns 0; STOKER_END, also for ever behind n_epochs; STOKER_TIMEOUT;
 * -EBUSY every slot is leased; -ETIMEDOUT while a worker hangs in a system
 * call; -EOWNERDEAD in a forked child; -ECANCELED when the loader is closed
 * meanwhile; -ENOMEM when only this call found no memory.  Again at each call
 * until seek: under STOKER_RAISE the lowest bad row's own code; -EIO when a
 * budget is spent; what keeps the run from going on (no memory, no
 * descriptors, no thread, a ledger that cannot be written).
 */
STOKER_API int stoker_loader_next(stoker_loader *loader, stoker_batch **out,
                                  int timeout_ms, stoker_error *err);

/* Stops and joins the workers and gives everything back but leased batches,
 * which stay valid until released.  *loader becomes NULL.
 * Thread: any; a thread waiting in next returns -ECANCELED.
 * Returns 0; -ETIMEDOUT when a worker hung in a read for longer than
 * stall_timeout_ms and was abandoned with its buffers. */
STOKER_API int stoker_loader_close(stoker_loader **loader);

/* ---- batch: a lease ------------------------------------------------------ */

/* A named tensor of a batch: "image" (dtype of the options, [rows, 3, h, w]
 * or [rows, h, w, 3]), "label" (int64 [rows], -100 where not valid), "id"
 * (int64 [rows], -1 padding), "valid" (u8 [rows]), "window" (int32 [rows, 4]:
 * top, left, height, width in the source), "flip" (u8 [rows], bit 0
 * horizontal, bit 1 vertical).  Strides are in elements. */
typedef struct stoker_tensor {
    size_t size; /* sizeof(stoker_tensor), set by the caller */
    const char *name;
    void *data;    /* 64-byte aligned; device memory with options.device */
    int32_t dtype; /* a stoker_dtype */
    int32_t n_dims;
    int64_t shape[8];
    int64_t strides[8];
    int32_t device; /* -1 host, else the CUDA ordinal */
    int32_t pinned; /* 1: registered with CUDA */
} stoker_tensor;

/* Thread: any.  Owns: valid as long as the batch.
 * Returns 0; -ENOENT no such tensor; -EINVAL out->size is not set. */
STOKER_API int stoker_batch_tensor(const stoker_batch *batch, const char *name,
                                   stoker_tensor *out);

typedef struct stoker_batch_info {
    size_t size; /* sizeof(stoker_batch_info), set by the caller */
    int64_t epoch;
    int64_t step;   /* of the epoch, counted from its start or the resume */
    int64_t n_rows; /* padding included */
    int64_t n_valid;
    int64_t n_bad;
    int64_t n_refilled;
    int64_t first_position; /* of the epoch's order, all ranks */
    int64_t n_positions;
} stoker_batch_info;

/* Any thread. */
STOKER_API void stoker_batch_info_get(const stoker_batch *batch,
                                      stoker_batch_info *out);

/* Ends the caller's lease.  Only the image memory goes back to the loader;
 * the small tensors are the batch's own.  NULL is nothing.
 * Thread: any, once; also after close. */
STOKER_API void stoker_batch_release(stoker_batch *batch);

/* A tensor as a DLPack managed tensor (versioned 1: DLManagedTensorVersioned)
 * with a deleter in plain C that any thread may call at any time.  It keeps
 * alive what it needs: "image" the slot, the others only the small tensors.
 * Owns: *out is the caller's until its deleter is called.
 * Thread: any.
 * Returns 0; -ENOENT, -ENOMEM. */
STOKER_API int stoker_batch_dlpack(stoker_batch *batch, const char *name,
                                   int versioned, void **out,
                                   stoker_error *err);

/* ---- batches and CUDA streams (stream: a CUstream) ----------------------- */

/* Makes `stream` wait until the batch's device memory is filled.
 * Thread: any.
 * Returns 0; -EINVAL without a device, or while the stream is being captured
 * into a graph; -EIO the driver failed. */
STOKER_API int stoker_batch_acquire(stoker_batch *batch, void *stream,
                                    stoker_error *err);

/* As stoker_batch_release(), but the memory is used again only after the work
 * that `stream` has been given so far.
 * Thread: any, once.
 * Returns 0; what the driver failed with: the memory is never used again. */
STOKER_API int stoker_batch_release_on(stoker_batch *batch, void *stream,
                                       stoker_error *err);

/* Says that work on `stream` reads the batch too: its memory is used again
 * only after what `stream` has been given when the last view dies or, in host
 * mode, at the next call of stoker_loader_mark().
 * Thread: any.
 * Returns 0; -ENOSPC for the ninth stream; -EOWNERDEAD in a forked child. */
STOKER_API int stoker_batch_record_stream(stoker_batch *batch, void *stream,
                                          stoker_error *err);

/* Host mode with pinned memory: records an event on the consumer's current
 * stream for every slot whose views died since the last call.  Call it before
 * each next.  Nothing to do without CUDA.
 * Thread: the consumer's.
 * Returns 0, or what the driver failed with. */
STOKER_API int stoker_loader_mark(stoker_loader *loader, void *stream,
                                  stoker_error *err);

/* ---- what happened ------------------------------------------------------- */

typedef struct stoker_stats {
    size_t size; /* sizeof(stoker_stats), set by the caller */
    int64_t n_samples, n_batches, n_bad, n_refilled, n_retries;
    int64_t bytes_read;
    /* nanoseconds summed over workers; they do not overlap */
    int64_t read_ns, probe_ns, decode_ns, resample_ns, emit_ns;
    int64_t idle_ns;        /* workers waiting for an empty slot */
    int64_t input_ns;       /* workers waiting for reads */
    int64_t consumer_ns;    /* next waiting for a full slot */
    int64_t first_batch_ns; /* from open to the first batch */
    int64_t arena_bytes, scratch_bytes;
    int32_t n_workers, n_slots;
    int32_t io;            /* the stoker_io that was taken */
    int32_t cpu;           /* the stoker_cpu that was taken */
    int64_t n_own_decoder; /* images that stoker's own decoder read */
    /* device mode: copies; waiting for a batch to copy; the consumer waiting
     * in next and, at most, its stream behind an acquire; copying that no
     * stream waited for, at least */
    int64_t copy_ns, copy_wait_ns, gpu_wait_ns, overlap_ns;
    int64_t pin_init_ns;     /* the driver's start and the context's */
    int64_t pin_register_ns; /* all buffers' */
    int64_t bytes_copied;
    char io_reason[128];     /* why not io_uring, or "" */
    char pin_reason[128];    /* why not pinned, or "" */
    char memory_reason[128]; /* why not the pages or node asked, or "" */
    int64_t pin_context_ns;  /* of pin_init_ns, the context's */
    int64_t n_copies;        /* to the device; some may not be handed out */
} stoker_stats;

/* Any thread, any time. */
STOKER_API void stoker_loader_stats(stoker_loader *loader, stoker_stats *out);

/* A sentence or two in plain words: who waited for whom, and what to change.
 * Writes at most bytes with a final 0.  Any thread. */
STOKER_API void stoker_loader_report(stoker_loader *loader, char *text,
                                     size_t bytes);

/* What was delivered of the epoch that the last batch belongs to, since its
 * begin or the last seek.  Any thread. */
STOKER_API void stoker_loader_digest(stoker_loader *loader, stoker_digest *out,
                                     int64_t *epoch, int64_t *from,
                                     int64_t *to);

/* One bad sample that reached the consumer. */
typedef struct stoker_bad {
    size_t size; /* sizeof(stoker_bad) of the library */
    int64_t id, epoch, position;
    int32_t attempt; /* 0, or the refill attempt that failed */
    int32_t reserved0;
    uint8_t hash[16]; /* of the bytes, zeros where there were none */
    stoker_error error;
} stoker_bad;

/* Copies entries first ... first+n-1 of the list of bad samples, each as far as
 * bad_bytes, sizeof(stoker_bad).  The first 65536 are kept; the ledger file
 * has all.  Any thread.
 * Returns how many there are in all, or -EINVAL. */
STOKER_API int64_t stoker_loader_bad(stoker_loader *loader, int64_t first,
                                     stoker_bad *out, size_t n,
                                     size_t bad_bytes);

/* ---- looking after data sets --------------------------------------------- */

typedef struct stoker_image_info {
    size_t size;    /* sizeof(stoker_image_info), set by the caller */
    char format[8]; /* "JPEG", "PNG", "WEBP" */
    char mode[8];   /* Pillow's: "RGB", "L", "CMYK", "P", "RGBA", "I;16" ... */
    int32_t width, height;
    int32_t orientation; /* EXIF, 1 when absent */
    int32_t progressive;
    int32_t regular;    /* 1: its window can be decoded alone */
    int32_t n_warnings; /* of libjpeg, when decoded whole */
    int64_t n_bytes;
    uint8_t hash[16];
} stoker_image_info;

typedef struct stoker_checker stoker_checker;

/* Reads and decodes samples one by one, whole, by the verdict that a loader
 * with these options would give.  Reads happen on a thread of the checker's
 * own: one that hangs longer than stall_timeout_ms is -ETIMEDOUT and is left
 * behind, and with four of them hanging every further check is, at once.
 * Owns: *out is the caller's; retains ds.  Thread: one at a time. */
STOKER_API int stoker_checker_open(stoker_checker **out, stoker_dataset *ds,
                                   const stoker_options *opt,
                                   stoker_error *err);
/* Returns 0, or the code that the sample would be refused with; info is
 * filled as far as it is known either way.  -EAGAIN, -ENOMEM: no thread. */
STOKER_API int stoker_checker_check(stoker_checker *checker, int64_t id,
                                    stoker_image_info *info, stoker_error *err);
STOKER_API void stoker_checker_close(stoker_checker **checker);

/* What this machine can do, in words that `stoker doctor` prints. */
typedef struct stoker_system {
    size_t size;    /* sizeof(stoker_system), set by the caller */
    int32_t n_cpus; /* usable: affinity and cgroup quota */
    int32_t n_cpus_online;
    int32_t cpu; /* the best stoker_cpu */
    int32_t has_uring;
    int64_t memlock_bytes; /* RLIMIT_MEMLOCK, -1 without limit */
    int32_t cuda_driver;   /* cuDriverGetVersion, 0 without a driver */
    int32_t n_devices;
    char cpu_features[160];
    char uring_reason[128]; /* why not, or "" */
    char huge_pages[128];
    char jpeg_library[64];
    char png_library[64];
    char webp_library[64];
    char cuda_reason[128];
    char devices[512]; /* a line a device */
} stoker_system;

/* A size that ends before cuda_driver leaves CUDA alone; the whole of it
 * initialises the driver in this process.  Any thread. */
STOKER_API void stoker_system_get(stoker_system *out);

/* What a device's bus gives and what pinning costs, measured by registering
 * 64 MB and copying them. */
typedef struct stoker_device_info {
    size_t size;         /* sizeof(stoker_device_info), set by the caller */
    int32_t driver;      /* cuDriverGetVersion */
    int32_t numa_node;   /* that its slot hangs at, or -1 */
    int64_t init_ns;     /* the driver's and the context's */
    int64_t register_ns; /* for register_bytes, faults included */
    int64_t register_bytes;
    double bus_bytes_s;  /* rated, one direction; 0: the kernel is silent */
    double copy_bytes_s; /* measured, host to device, pinned */
    char name[96];
} stoker_device_info;

/* Uses the device for a moment: its context is made if there is none.  Never
 * before a fork whose child uses CUDA.  ordinal -1: the current context's,
 * else the first.  Any thread.
 * Returns 0; -ENODEV without driver or device, -ENOMEM, -EIO. */
STOKER_API int stoker_device_measure(int ordinal, stoker_device_info *out,
                                     stoker_error *err);

/* This machine's roofline over exactly these files and windows: what one core
 * needs a sample, in nanoseconds, with each stage timed alone.  The weights of
 * both passes count as horizontal. */
typedef struct stoker_limit {
    size_t size; /* sizeof(stoker_limit), set by the caller */
    int64_t n_samples;
    double probe_ns, values_ns, skip_ns, idct_ns, colour_ns;
    double horizontal_ns, vertical_ns, fallback_ns; /* fallback: all others' */
    double read_ns;                                 /* CPU to read a sample */
    double memory_bytes_s, read_bytes_s;            /* measured bandwidths */
    double sample_memory_bytes; /* that a sample moves through memory */
    double sample_file_bytes;
    double limit_img_s; /* with options.n_workers cores */
    char binding[32];   /* which term binds */
} stoker_limit;

/* Measures up to n_samples of the plan's first; bad ones are left out.  Any
 * thread.
 * Returns 0; what one of them failed with where none is good; -EAGAIN on a
 * machine that is too busy to measure; -EINVAL, -ENOMEM, -ENOTSUP. */
STOKER_API int stoker_limit_measure(stoker_dataset *ds,
                                    const stoker_options *opt,
                                    int64_t n_samples, stoker_limit *out,
                                    stoker_error *err);

#ifdef __cplusplus
}
#endif
#endif
