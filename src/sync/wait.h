/* Sleeping on a word: futexes with deadlines.  Rare by design: once a batch,
 * never once a sample (a round trip costs 60 us in a virtual machine). */
#ifndef STK_WAIT_H
#define STK_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { STK_NEVER = -1 }; /* a deadline that does not come */

/* Sleeps while *word is `seen`, until woken or until the monotonic time
 * deadline_ns.  Wakes for no reason too: the caller looks again.
 * Returns 0, or -ETIMEDOUT. */
int stk_wait(atomic_uint *word, unsigned seen, int64_t deadline_ns);

/* Wakes everyone who sleeps on the word. */
void stk_wake(atomic_uint *word);

/* Spins for up to spin_ns while *word is `seen`; true when it changed. */
bool stk_spin(atomic_uint *word, unsigned seen, int64_t spin_ns);

#endif
