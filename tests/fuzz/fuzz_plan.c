/* Hostile options, places and item lists: every answer of the planner is in
 * range, every list is either refused or read back as it was given. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/dataset.h"
#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
    const uint8_t *data;
    size_t n;
};

static uint64_t take(struct input *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && in->n; i++, in->n--)
        value = value << 8 | *in->data++;
    return value;
}

/* Small, huge or negative: one byte says how many follow. */
static int64_t number(struct input *in)
{
    return (int64_t)take(in, take(in, 1) % 9);
}

static void check_step(const struct stk_plan *plan, int64_t seq)
{
    struct stk_step s;
    struct stk_ticket t;
    if (stk_plan_step(plan, seq, &s) != 0)
        return;
    if (s.n_rows < 1 || s.n_positions < 1 || s.first_position < 0 ||
        s.first_position + s.n_positions > plan->n_items ||
        s.consumed_after < s.first_position + s.n_positions ||
        s.consumed_after > plan->n_items || s.epoch < plan->epoch ||
        s.n_rows > plan->rows)
        abort();
    int64_t row = s.n_rows - 1;
    if (stk_plan_ticket(plan, s.first_ticket + row, &t) != 0 || t.seq != seq ||
        t.row != row || t.n_rows != s.n_rows ||
        t.position >= s.first_position + s.n_positions || t.id < -1 ||
        t.id >= plan->n_items || (t.id < 0) != (t.position < 0))
        abort();
}

static void check_plan(struct input *in)
{
    stoker_options opt;
    struct stk_plan plan;
    stoker_error err;
    stoker_digest digest;
    int64_t ids[64];
    size_t n_rows;

    memset(&opt, 0, sizeof opt);
    opt.size = take(in, 1) % 8 ? sizeof opt : (size_t)number(in);
    opt.seed = take(in, 8);
    opt.shuffle = (int32_t)number(in);
    opt.drop_last = (int32_t)number(in);
    opt.rank = (int32_t)number(in);
    opt.world_size = (int32_t)number(in);
    opt.batch_size = number(in);
    opt.global_batch_size = number(in);
    opt.n_epochs = number(in);
    int64_t n = number(in), epoch = number(in), consumed = number(in);
    int64_t any = number(in);

    stoker_plan_steps(&opt, n, consumed, &err);
    stoker_plan_ids(&opt, n, epoch, consumed, any, ids, 64, &n_rows, &err);
    stoker_plan_dropped(&opt, n, epoch, ids, 64, &n_rows, &err);
    stoker_plan_id(&opt, n, epoch, any, (int32_t)number(in));
    if (n >= 50 && any >= 0 && any <= n - 50)
        stoker_plan_digest(&opt, n, epoch, any, any + 50, &digest, &err);
    int rc = stk_plan_init(&plan, &opt, n, epoch, consumed, &err);
    if (rc != 0) {
        if (rc != -EINVAL || !err.text[0])
            abort();
        return;
    }
    int64_t n_seqs = stk_plan_n_seqs(&plan);
    if (n_seqs < 0 || stk_plan_n_tickets(&plan) < n_seqs)
        abort();
    check_step(&plan, 0);
    check_step(&plan, any);
    check_step(&plan, plan.first_steps - 1);
    check_step(&plan, plan.first_steps);
    check_step(&plan, n_seqs - 1);
}

static void check_items(struct input *in)
{
    enum { N_ITEMS = 16, N_TEXT = 24 };
    stoker_item items[N_ITEMS];
    char texts[N_ITEMS][N_TEXT], got[N_TEXT];
    stoker_dataset *ds;
    struct stk_part part;
    stoker_error err;
    size_t n = take(in, 1) % (N_ITEMS + 1);

    memset(items, 0, sizeof items);
    for (size_t i = 0; i < n; i++) {
        size_t length = take(in, 1) % N_TEXT;
        memset(texts[i], 0, N_TEXT);
        for (size_t k = 0; k < length; k++)
            texts[i][k] = (char)take(in, 1);
        uint64_t flags = take(in, 1);
        items[i].source = flags & 1 ? (int32_t)number(in) : 0;
        items[i].path = flags & 2 ? NULL : texts[i % 4 ? i - i % 4 : i];
        items[i].name = flags & 4 ? texts[i] : NULL;
        items[i].data = flags & 8 ? texts[i] : NULL;
        items[i].offset = flags & 16 ? number(in) : 0;
        items[i].length = flags & 32 ? number(in) : -1;
        items[i].label = number(in);
    }
    if (stoker_dataset_from_items(&ds, items, n, sizeof items[0], &err) != 0) {
        if (!err.text[0])
            abort();
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (stk_dataset_part(ds, (int64_t)i, got, sizeof got, &part) != 0 ||
            part.source != items[i].source || part.offset != items[i].offset ||
            part.length != items[i].length ||
            stoker_dataset_label(ds, (int64_t)i) != items[i].label ||
            (part.path && strcmp(part.path, items[i].path) != 0))
            abort();
        stoker_dataset_path(ds, (int64_t)i, got, sizeof got);
        if (items[i].name && strcmp(got, items[i].name) != 0)
            abort();
    }
    stoker_dataset_free(ds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    if (take(&in, 1) & 1)
        check_items(&in);
    else
        check_plan(&in);
    return 0;
}
