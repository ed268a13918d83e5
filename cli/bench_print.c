/* What a benchmark says: in words, or as one object with stable keys. */
#include <stdio.h>

#include "bench.h"

/* Where the workers' time went; wait is for reads and for empty slots. */
struct shares {
    double read, probe, decode, resample, emit, wait;
};

static struct shares shares_of(const stoker_stats *stats)
{
    double wait = (double)stats->idle_ns + (double)stats->input_ns;
    double sum = (double)stats->read_ns + (double)stats->probe_ns +
                 (double)stats->decode_ns + (double)stats->resample_ns +
                 (double)stats->emit_ns + wait;
    if (sum <= 0)
        sum = 1;
    return (struct shares){.read = (double)stats->read_ns / sum,
                           .probe = (double)stats->probe_ns / sum,
                           .decode = (double)stats->decode_ns / sum,
                           .resample = (double)stats->resample_ns / sum,
                           .emit = (double)stats->emit_ns / sum,
                           .wait = wait / sum};
}

static double per_core(const struct bench *bench)
{
    int32_t n = bench->stats.n_workers;
    return bench_per_second(bench) / (n > 0 ? n : 1);
}

/* Workers run ahead: what they made counts, not what was taken of it. */
static double cpu_ms(const struct bench *bench)
{
    int64_t n = bench->stats.n_samples;
    return n ? bench->cpu_s * 1e3 / (double)n : 0;
}

/* The roofline's stages of one sample, as they are printed. */
struct term {
    const char *name;
    double ns;
};

enum { N_TERMS = 9 };

static void terms_of(const stoker_limit *roof, struct term out[N_TERMS])
{
    out[0] = (struct term){"read", roof->read_ns};
    out[1] = (struct term){"probe", roof->probe_ns};
    out[2] = (struct term){"values", roof->values_ns};
    out[3] = (struct term){"skip", roof->skip_ns};
    out[4] = (struct term){"idct", roof->idct_ns};
    out[5] = (struct term){"colour", roof->colour_ns};
    out[6] = (struct term){"horizontal", roof->horizontal_ns};
    out[7] = (struct term){"vertical", roof->vertical_ns};
    out[8] = (struct term){"fallback", roof->fallback_ns};
}

/* Of the time, what the consumer waited. */
static double wait_share(const struct bench *bench)
{
    double wall = bench->wall_s > 0 ? bench->wall_s : 1;
    return (double)bench->stats.consumer_ns * 1e-9 / wall;
}

static double fraction(const struct bench *bench)
{
    double roof = bench->roof.limit_img_s;
    return roof > 0 ? bench_per_second(bench) / roof : 0;
}

static double term_sum(const struct term terms[N_TERMS])
{
    double sum = 0;
    for (int i = 0; i < N_TERMS; i++)
        sum += terms[i].ns;
    return sum;
}

/* The stages' time over the CPU time that an image took: what else runs on
 * the machine hardly moves it. */
static double cpu_fraction(const struct bench *bench)
{
    struct term terms[N_TERMS];
    double ms = cpu_ms(bench);
    terms_of(&bench->roof, terms);
    return ms > 0 ? term_sum(terms) * 1e-6 / ms : 0;
}

static void print_limit(const struct bench *bench)
{
    const stoker_limit *roof = &bench->roof;
    struct term terms[N_TERMS];
    terms_of(roof, terms);
    double sum = term_sum(terms);
    printf("\nroofline over %lld images, each stage alone on one core:\n",
           (long long)roof->n_samples);
    for (int i = 0; i < N_TERMS; i++)
        printf("  %-12s %9.1f us  %5.1f %%\n", terms[i].name,
               terms[i].ns * 1e-3, sum > 0 ? 100 * terms[i].ns / sum : 0);
    printf("  %-12s %9.1f us\n", "together", sum * 1e-3);
    printf("  memory       %9.1f GB/s, %.2f MB a sample\n",
           roof->memory_bytes_s * 1e-9, roof->sample_memory_bytes * 1e-6);
    printf("  reading      %9.1f GB/s, %.3f MB a sample\n",
           roof->read_bytes_s * 1e-9, roof->sample_file_bytes * 1e-6);
    printf("  limit        %9.1f img/s; %s binds\n", roof->limit_img_s,
           roof->binding);
    printf("  reached      %9.1f %% of it, %.1f %% by CPU time\n",
           100 * fraction(bench), 100 * cpu_fraction(bench));
}

void bench_print_words(const struct bench *bench)
{
    const stoker_stats *stats = &bench->stats;
    struct shares shares = shares_of(stats);
    printf("images            %lld in %lld batches, %.2f s\n",
           (long long)bench->n_images, (long long)bench->n_batches,
           bench->wall_s);
    printf("speed             %.1f img/s, %.1f img/s per core\n",
           bench_per_second(bench), per_core(bench));
    printf("CPU time          %.3f ms per image\n", cpu_ms(bench));
    printf("read              %.1f MB (%.1f MB/s) by %s%s%s\n",
           (double)stats->bytes_read * 1e-6,
           (double)stats->bytes_read * 1e-6 /
               (bench->wall_s > 0 ? bench->wall_s : 1),
           cli_word_of(feed_ios, stats->io), stats->io_reason[0] ? ": " : "",
           stats->io_reason);
    printf("first batch       %.3f s after the start\n", bench->first_batch_s);
    printf("peak memory       %.1f MB (batches: %.1f MB)\n", bench->peak_mb,
           (double)stats->arena_bytes / 1048576);
    printf("workers           %d, %s\n", stats->n_workers,
           cli_word_of(feed_cpus, stats->cpu));
    printf("their time        read %.1f %%, probe %.1f %%, decode %.1f %%, "
           "resample %.1f %%,\n                  emit %.1f %%, wait %.1f %%\n",
           100 * shares.read, 100 * shares.probe, 100 * shares.decode,
           100 * shares.resample, 100 * shares.emit, 100 * shares.wait);
    if (stats->n_bad)
        printf("bad rows          %lld (stoker scan lists the files)\n",
               (long long)stats->n_bad);
    if (bench->step_ms > 0)
        printf("steps             %g ms each; they waited %.2f %% of the "
               "time\n",
               bench->step_ms, 100 * wait_share(bench));
    if (bench->feed.options.device >= 0)
        bench_device_words(bench);
    else if (bench->feed.options.pin)
        printf("pinned            %s\n",
               stats->pin_reason[0] ? stats->pin_reason : "yes");
    if (bench->report[0])
        printf("report            %s\n", bench->report);
    if (bench->limit)
        print_limit(bench);
}

static void put_limit(struct json *json, const struct bench *bench)
{
    const stoker_limit *roof = &bench->roof;
    struct term terms[N_TERMS];
    terms_of(roof, terms);
    json_open(json, "limit", '{');
    json_int(json, "n_samples", roof->n_samples);
    json_open(json, "ns", '{');
    for (int i = 0; i < N_TERMS; i++)
        json_real(json, terms[i].name, terms[i].ns);
    json_close(json, '{');
    json_real(json, "memory_bytes_s", roof->memory_bytes_s);
    json_real(json, "read_bytes_s", roof->read_bytes_s);
    json_real(json, "sample_memory_bytes", roof->sample_memory_bytes);
    json_real(json, "sample_file_bytes", roof->sample_file_bytes);
    json_real(json, "img_s", roof->limit_img_s);
    json_text(json, "binding", roof->binding);
    json_real(json, "reached", fraction(bench));
    json_real(json, "reached_cpu", cpu_fraction(bench));
    json_close(json, '{');
}

static void put_settings(struct json *json, const struct bench *bench)
{
    const stoker_options *opt = &bench->feed.options;
    const stoker_stats *stats = &bench->stats;
    json_text(json, "stoker", stoker_version());
    json_text(json, "folder", bench->folder);
    json_int(json, "n_files", stoker_dataset_count(bench->feed.ds));
    json_text(json, "transform",
              cli_word_of(feed_transforms, bench->feed.transform));
    json_int(json, "size", bench->feed.size);
    json_int(json, "batch_size", bench->feed.batch_size);
    json_text(json, "dtype", cli_word_of(feed_dtypes, opt->dtype));
    json_text(json, "layout", cli_word_of(feed_layouts, opt->layout));
    json_text(json, "decoder", cli_word_of(feed_decoders, opt->decoder));
    json_int(json, "n_workers", stats->n_workers);
    json_int(json, "n_slots", stats->n_slots);
    json_text(json, "io", cli_word_of(feed_ios, stats->io));
    json_text(json, "io_reason", stats->io_reason);
    json_text(json, "cpu", cli_word_of(feed_cpus, stats->cpu));
}

static void put_shares(struct json *json, const stoker_stats *stats)
{
    struct shares shares = shares_of(stats);
    json_open(json, "shares", '{');
    json_real(json, "read", shares.read);
    json_real(json, "probe", shares.probe);
    json_real(json, "decode", shares.decode);
    json_real(json, "resample", shares.resample);
    json_real(json, "emit", shares.emit);
    json_real(json, "wait", shares.wait);
    json_close(json, '{');
}

void bench_print_json(const struct bench *bench)
{
    const stoker_stats *stats = &bench->stats;
    struct json json = {.out = stdout};
    json_open(&json, NULL, '{');
    put_settings(&json, bench);
    json_int(&json, "n_images", bench->n_images);
    json_int(&json, "n_batches", bench->n_batches);
    json_int(&json, "n_bad", stats->n_bad);
    json_int(&json, "n_own_decoder", stats->n_own_decoder);
    json_real(&json, "seconds", bench->wall_s);
    json_real(&json, "img_s", bench_per_second(bench));
    json_real(&json, "img_s_core", per_core(bench));
    json_real(&json, "cpu_ms_img", cpu_ms(bench));
    json_real(&json, "first_batch_s", bench->first_batch_s);
    json_real(&json, "peak_mb", bench->peak_mb);
    json_real(&json, "arena_mb", (double)stats->arena_bytes / 1048576);
    json_int(&json, "bytes_read", stats->bytes_read);
    json_real(&json, "consumer_wait_s", (double)stats->consumer_ns * 1e-9);
    put_shares(&json, stats);
    json_text(&json, "report", bench->report);
    if (bench->step_ms > 0) {
        json_real(&json, "step_ms", bench->step_ms);
        json_real(&json, "wait_share", wait_share(bench));
    }
    if (bench->feed.options.pin)
        json_text(&json, "pin_reason", stats->pin_reason);
    if (bench->feed.options.device >= 0)
        bench_device_json(&json, bench);
    if (bench->limit)
        put_limit(&json, bench);
    json_close(&json, '{');
    putchar('\n');
}
