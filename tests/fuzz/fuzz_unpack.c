/* fuzz_unpack - unpack any bytes. */

#include "unpacked.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    try_unpack(bytes, n);
    return 0;
}
