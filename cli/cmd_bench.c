/* stoker bench: how fast a folder of photos becomes batches. */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static double peak_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024; /* ru_maxrss counts KiB */
}

static bool enough(const struct bench *bench, double passed)
{
    if (bench->epochs && bench->n_epochs_done >= bench->epochs)
        return true;
    if (bench->count && bench->n_images >= bench->count)
        return true;
    if (bench->seconds > 0)
        return passed >= bench->seconds;
    return false;
}

static void show_progress(const struct bench *bench, double passed)
{
    fprintf(stderr, "\r%lld images, %.0f a second, epoch %lld   ",
            (long long)bench->n_images,
            (double)bench->n_images / (passed > 0 ? passed : 1),
            (long long)bench->n_epochs_done);
}

/* What a training loop does with a batch, without its arithmetic: with a
 * device, its stream (here the legacy one) waits for the copy. */
static int step(struct bench *bench, stoker_batch *batch, stoker_error *err)
{
    int64_t ns = (int64_t)(bench->step_ms * 1e6);
    struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    bool on_device = bench->feed.options.device >= 0;
    int rc = on_device ? stoker_batch_acquire(batch, NULL, err) : 0;
    if (ns > 0)
        nanosleep(&time, NULL);
    if (!on_device) {
        stoker_batch_release(batch);
        return 0;
    }
    int released = stoker_batch_release_on(batch, NULL, err);
    return rc ? rc : released;
}

/* Takes batches until it is enough; the pixels are not looked at. */
static int play(struct bench *bench)
{
    bool progress = !bench->json && isatty(STDERR_FILENO);
    double began = cli_seconds(), cpu = cpu_seconds(), shown = began;
    stoker_error err;
    int rc = 0;
    while (!enough(bench, cli_seconds() - began)) {
        stoker_batch *batch;
        rc = stoker_loader_next(bench->feed.loader, &batch, -1, &err);
        if (rc == STOKER_END) {
            bench->n_epochs_done++;
            if (bench->n_images == 0 && bench->count)
                return cli_fail(CLI_BAD, "bench",
                                "a whole epoch gave no good image, so --count "
                                "would never be reached");
            continue;
        }
        if (rc != 0)
            break;
        if (bench->n_batches++ == 0)
            bench->first_batch_s = cli_seconds() - cli_began;
        stoker_batch_info info = {.size = sizeof(info)};
        stoker_batch_info_get(batch, &info);
        bench->n_images += info.n_valid;
        rc = step(bench, batch, &err);
        if (rc < 0)
            break;
        double now = cli_seconds();
        if (progress && now - shown > 0.1) {
            show_progress(bench, now - began);
            shown = now;
        }
    }
    bench->wall_s = cli_seconds() - began;
    bench->cpu_s = cpu_seconds() - cpu;
    bench->peak_mb = peak_mb();
    if (progress)
        fprintf(stderr, "\r%60s\r", "");
    return rc < 0 ? cli_fail(CLI_BAD, "bench", "%s", err.text) : CLI_OK;
}

static int measure_limit(struct bench *bench)
{
    stoker_error err;
    bench->roof = (stoker_limit){.size = sizeof(bench->roof)};
    stoker_options opt = bench->feed.options;
    opt.n_workers = bench->stats.n_workers;
    if (stoker_limit_measure(bench->feed.ds, &opt, bench->n_limit, &bench->roof,
                             &err) != 0)
        return cli_fail(CLI_BAD, "bench", "--limit: %s", err.text);
    return CLI_OK;
}

static void describe(struct cli_flags *flags, struct bench *bench)
{
    feed_batch_flags(flags, &bench->feed);
    feed_engine_flags(flags, &bench->feed);
    cli_int(flags, "epochs", "N", &bench->epochs, 1, INT64_MAX,
            "stop after N epochs");
    cli_int(flags, "count", "N", &bench->count, 1, INT64_MAX,
            "stop after N images");
    cli_real(flags, "seconds", "S", &bench->seconds, 1000000000,
             "stop after S seconds [5, unless one of those is given]");
    cli_real(flags, "step-ms", "MS", &bench->step_ms, 1000000000,
             "let each batch be used for so long, as a training step [0]");
    cli_switch(flags, "limit", &bench->limit,
               "measure this machine's roofline over these files, too");
    cli_int(flags, "limit-count", "N", &bench->n_limit, 1, INT64_MAX,
            "that, over the first N images of the plan [1000]");
    cli_switch(flags, "json", &bench->json, "one object instead of words");
}

int cli_bench(int argc, char **argv)
{
    struct bench bench = {.epochs = 0};
    struct cli_flags flags = {
        .command = "bench",
        .operand = "FOLDER",
        .sentence = "Measures how fast a folder of photos (one sub-folder a "
                    "class) becomes batches.",
        .more = "The keys of --json are listed in docs/cli.md."};
    int status;
    feed_init(&bench.feed);
    describe(&flags, &bench);
    if (!cli_parse(&flags, argc, argv, &status))
        return status;
    bench.folder = flags.operand_value;
    bench.limit = bench.limit || bench.n_limit;
    if (!bench.n_limit)
        bench.n_limit = 1000;
    if (!bench.epochs && !bench.count && bench.seconds <= 0)
        bench.seconds = 5;
    status = feed_open_folder(&bench.feed, "bench", bench.folder);
    if (status == CLI_OK)
        status = feed_open_loader(&bench.feed, "bench");
    if (status == CLI_OK)
        status = play(&bench);
    if (status == CLI_OK) {
        bench.stats.size = sizeof(bench.stats);
        stoker_loader_stats(bench.feed.loader, &bench.stats);
        stoker_loader_report(bench.feed.loader, bench.report,
                             sizeof(bench.report));
        stoker_loader_close(&bench.feed.loader);
        bench_measure_bus(&bench);
        if (bench.limit)
            status = measure_limit(&bench);
    }
    if (status == CLI_OK) {
        if (bench.json)
            bench_print_json(&bench);
        else
            bench_print_words(&bench);
    }
    feed_close(&bench.feed);
    return status;
}
