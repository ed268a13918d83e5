/* A network of one hidden layer, in plain loops that compilers make vectors
 * of: the inner ones run over neighbouring weights. */
#include "net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *output_weights(const struct net *net, float *block)
{
    return block + (size_t)(net->n_in + 1) * (size_t)net->n_hidden;
}

/* A number in -1 ... 1 from a counter: splitmix64. */
static float noise(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) / (float)(1 << 23) - 1.0f;
}

bool net_init(struct net *net, int n_in, int n_hidden, int n_out, uint64_t seed)
{
    size_t n_first = (size_t)(n_in + 1) * (size_t)n_hidden;
    float first_scale = 1.0f / sqrtf((float)n_in);
    float scale = 1.0f / sqrtf((float)n_hidden);

    *net = (struct net){.n_in = n_in, .n_hidden = n_hidden, .n_out = n_out};
    net->n_weights = n_first + (size_t)(n_hidden + 1) * (size_t)n_out;
    net->weights = calloc(net->n_weights, sizeof(float));
    net->velocity = calloc(net->n_weights, sizeof(float));
    net->gradient = calloc(net->n_weights, sizeof(float));
    net->hidden = calloc((size_t)n_hidden, sizeof(float));
    net->out = calloc((size_t)n_out, sizeof(float));
    net->back = calloc((size_t)n_hidden, sizeof(float));
    if (!net->weights || !net->velocity || !net->gradient || !net->hidden ||
        !net->out || !net->back) {
        net_fini(net);
        return false;
    }
    for (size_t i = 0; i < net->n_weights; i++)
        net->weights[i] = noise(&seed) * (i < n_first ? first_scale : scale);
    return true;
}

void net_fini(struct net *net)
{
    free(net->weights);
    free(net->velocity);
    free(net->gradient);
    free(net->hidden);
    free(net->out);
    free(net->back);
    *net = (struct net){0};
}

/* sum[n] = the last line of w + x[n_in] * the lines before it. */
static void multiply(float *restrict sum, const float *restrict w,
                     const float *restrict x, int n_in, int n)
{
    memcpy(sum, w + (size_t)n_in * (size_t)n, (size_t)n * sizeof *sum);
    for (int i = 0; i < n_in; i++) {
        const float *line = w + (size_t)i * (size_t)n;
        for (int j = 0; j < n; j++)
            sum[j] += x[i] * line[j];
    }
}

int net_look(struct net *net, const float *x)
{
    int best = 0;
    float sum = 0;

    multiply(net->hidden, net->weights, x, net->n_in, net->n_hidden);
    for (int j = 0; j < net->n_hidden; j++)
        net->hidden[j] = fmaxf(net->hidden[j], 0);
    multiply(net->out, output_weights(net, net->weights), net->hidden,
             net->n_hidden, net->n_out);
    for (int k = 1; k < net->n_out; k++)
        if (net->out[k] > net->out[best])
            best = k;
    float top = net->out[best];
    for (int k = 0; k < net->n_out; k++)
        sum += net->out[k] = expf(net->out[k] - top);
    for (int k = 0; k < net->n_out; k++)
        net->out[k] /= sum;
    return best;
}

/* lines[i] += x[i] * delta for each i, and the last line += delta. */
static void outer(float *restrict lines, const float *restrict x,
                  const float *restrict delta, int n_in, int n)
{
    for (int i = 0; i <= n_in; i++) {
        float *line = lines + (size_t)i * (size_t)n;
        float by = i < n_in ? x[i] : 1.0f;
        for (int j = 0; j < n; j++)
            line[j] += by * delta[j];
    }
}

double net_learn(struct net *net, const float *x, int64_t label)
{
    const float *w = output_weights(net, net->weights);
    double loss = -log(fmax((double)net->out[label], 1e-30));

    net->out[label] -= 1.0f;
    for (int j = 0; j < net->n_hidden; j++) {
        float sum = 0;
        for (int k = 0; k < net->n_out; k++)
            sum += w[(size_t)j * (size_t)net->n_out + (size_t)k] * net->out[k];
        net->back[j] = net->hidden[j] > 0 ? sum : 0;
    }
    outer(output_weights(net, net->gradient), net->hidden, net->out,
          net->n_hidden, net->n_out);
    outer(net->gradient, x, net->back, net->n_in, net->n_hidden);
    return loss;
}

void net_step(struct net *net, int64_t n, float rate, float momentum)
{
    float by = n > 0 ? rate / (float)n : 0;

    for (size_t i = 0; i < net->n_weights; i++) {
        net->velocity[i] = momentum * net->velocity[i] - by * net->gradient[i];
        net->weights[i] += net->velocity[i];
        net->gradient[i] = 0;
    }
}

bool net_write(const struct net *net, FILE *file)
{
    size_t n = net->n_weights;

    return fwrite(net->weights, sizeof(float), n, file) == n &&
           fwrite(net->velocity, sizeof(float), n, file) == n;
}

bool net_read(struct net *net, FILE *file)
{
    size_t n = net->n_weights;

    return fread(net->weights, sizeof(float), n, file) == n &&
           fread(net->velocity, sizeof(float), n, file) == n;
}
