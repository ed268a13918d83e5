/* A network of one hidden layer, trained by gradient descent with momentum:
 * apart from train.c, so that the latter is about feeding it.  Plain float
 * arithmetic in a fixed order: the same batches give the same bits. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct net {
    int n_in, n_hidden, n_out;
    size_t n_weights;
    float *weights;  /* hidden [n_in + 1][n_hidden], out [n_hidden + 1][n_out];
                        the last line of each is its bias */
    float *velocity; /* as weights */
    float *gradient; /* as weights, of the batch at hand */
    float *hidden;   /* [n_hidden] of the row at hand */
    float *out;      /* [n_out] */
    float *back;     /* [n_hidden] */
};

/* Sets small random weights from seed.  Returns false without memory. */
bool net_init(struct net *net, int n_in, int n_hidden, int n_out,
              uint64_t seed);
void net_fini(struct net *net);

/* The class that the net sees in x[n_in]; its probabilities are in out. */
int net_look(struct net *net, const float *x);

/* Adds one row's gradient and returns its loss: call behind net_look(). */
double net_learn(struct net *net, const float *x, int64_t label);

/* One step along the mean gradient of n rows, which is then forgotten. */
void net_step(struct net *net, int64_t n, float rate, float momentum);

/* Weights and velocity, as they lie in memory.  Return false on errors. */
bool net_write(const struct net *net, FILE *file);
bool net_read(struct net *net, FILE *file);

#endif
