/* A stranger's program: counts one item that lies in memory. */
#include <stdio.h>
#include <stoker/stoker.h>

int main(void)
{
    stoker_item item = {.source = STOKER_SOURCE_MEMORY,
                        .name = "x",
                        .data = "abc",
                        .length = 3};
    stoker_dataset *ds = NULL;
    stoker_error err;
    if (stoker_dataset_from_items(&ds, &item, 1, sizeof(item), &err) != 0) {
        printf("%s\n", err.text);
        return 1;
    }
    if (stoker_dataset_count(ds) == 1)
        puts("one item");
    stoker_dataset_free(ds);
    return 0;
}
