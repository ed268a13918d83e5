/* exp and log in double by + - * / and bits alone: libm's give other bits on
 * CPUs without FMA, and a window must not depend on that.  Below one unit in
 * the last place of error on the ranges that windows use. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "augment/recipe.h"

/* ln 2 in two parts: the last 21 bits of the first are zeros, so that its
 * product with any exponent is exact. */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW  0x1.a39ef35793c76p-33

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 2^k as a factor, -1022 <= k <= 1023. */
static double power_of_two(int k)
{
    return from_bits((uint64_t)(1023 + k) << 52);
}

double stk_exp(double x)
{
    /* 1/2!, 1/3!, ... 1/14!: |r| <= 0.35, the next term is below 2^-60. */
    static const double over_factorial[] = {0x1p-1,
                                            0x1.5555555555555p-3,
                                            0x1.5555555555555p-5,
                                            0x1.1111111111111p-7,
                                            0x1.6c16c16c16c17p-10,
                                            0x1.a01a01a01a01ap-13,
                                            0x1.a01a01a01a01ap-16,
                                            0x1.71de3a556c734p-19,
                                            0x1.27e4fb7789f5cp-22,
                                            0x1.ae64567f544e4p-26,
                                            0x1.1eed8eff8d898p-29,
                                            0x1.6124613a86d09p-33,
                                            0x1.93974a8c07c9dp-37};
    const int n = sizeof over_factorial / sizeof over_factorial[0];

    if (x != x)
        return x;
    if (x > 710.0)
        return INFINITY;
    if (x < -746.0)
        return 0.0;

    /* x = k ln 2 + r */
    double scaled = x * 0x1.71547652b82fep+0;
    int k = (int)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;

    double sum = over_factorial[n - 1];
    for (int i = n - 2; i >= 0; i--)
        sum = sum * r + over_factorial[i];
    double y = 1.0 + (r + r * r * sum);

    /* In two steps: 2^k alone may be no normal number. */
    int half = k / 2;
    return y * power_of_two(half) * power_of_two(k - half);
}

double stk_log(double x)
{
    /* 2/3, 2/5, ... 2/25: s^2 <= 0.0295, the next term is below 2^-62. */
    static const double series[] = {
        0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2,
        0x1.c71c71c71c71cp-3, 0x1.745d1745d1746p-3, 0x1.3b13b13b13b14p-3,
        0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4, 0x1.af286bca1af28p-4,
        0x1.8618618618618p-4, 0x1.642c8590b2164p-4, 0x1.47ae147ae147bp-4};
    const int n = sizeof series / sizeof series[0];
    int k = 0;

    if (!(x > 0.0))
        return x == 0.0 ? -INFINITY : NAN;
    if (x > 0x1.fffffffffffffp+1023)
        return x;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }

    /* x = 2^k m, m in [sqrt(1/2), sqrt(2)) */
    uint64_t bits = to_bits(x);
    k += (int)(bits >> 52) - 1023;
    double m = from_bits((bits & 0xfffffffffffffu) | (uint64_t)1023 << 52);
    if (m >= 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        k++;
    }

    /* With s = f / (2 + f): log(1 + f) = 2 (s + s^3/3 + s^5/5 + ...), and
     * 2 s = f - s f keeps the large part exact. */
    double f = m - 1.0, s = f / (2.0 + f), z = s * s;
    double sum = series[n - 1];
    for (int i = n - 2; i >= 0; i--)
        sum = sum * z + series[i];
    sum *= z;
    return k * LN2_HIGH + (f - (s * (f - sum) - k * LN2_LOW));
}
