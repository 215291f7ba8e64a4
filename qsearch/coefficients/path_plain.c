/* The path for every processor. */
#include <string.h>

#include "common.h"

#include "forward.h"
#include "portable.h"

#include "evaluate.h"

#include "statistics.h"

static int available(void)
{
    return 1;
}

const struct path path_plain = {"plain", available, forward_image, size_of_image, encode_image, statistics_of_image};
