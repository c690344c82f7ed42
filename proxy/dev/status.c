#include "dev/status.h"

#include <inttypes.h>

#include "dev/fault.h"
#include "dev/loader.h"
#include "dev/target.h"
#include "dev/text.h"

void status_write(const struct status *status, struct buf *out)
{
    const struct loader *loader = status->loader;

    buf_add_text(out, "{\"instance\":");
    text_add_json(out, status->instance);
    buf_add_text(out, ",\"name\":");
    text_add_json(out, loader->target.only != NULL ? loader->target.only : loader->target.name);
    buf_add_text(out, ",\"path\":");
    text_add_json(out, loader->target.path);
    buf_add_text(out, ",\"language\":");
    text_add_json(out, loader->language);
    text_add(out,
             ",\"version\":%u,\"serving\":%u,\"state\":\"%s\",\"load_us\":%" PRIu64
             ",\"since_ms\":%" PRIu64 ",\"error\":",
             loader->version, loader_serving(loader), loader_state_name(loader), loader->took_us,
             loader->since_ms);
    fault_write(&loader->fault, out);
    buf_add_text(out, ",\"examples\":");
    target_write_examples(&loader->target, out);
    text_add(out, ",\"limits\":{\"timeout_ms\":%" PRIu64 "},\"inspect\":", status->timeout_ms);
    if (loader->inspect_port > 0)
        text_add(out, "%u}", loader->inspect_port);
    else
        buf_add_text(out, "null}");
}
