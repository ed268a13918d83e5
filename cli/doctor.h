/* The devices' part of what doctor says. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli.h"
#include "json.h"

/* Measures each device (its context is made for a moment) and says what
 * pinning costs and whether the bus would bind; or what is missing. */
void doctor_print_devices(const stoker_system *system);
void doctor_put_devices(struct json *json, const stoker_system *system);

#endif
