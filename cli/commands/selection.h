#pragma once

#include <snag/v1/snag.pb.h>

#include "cli/arguments.h"

namespace snag::cli {

// What was typed about processes, but for their numbers, as part of a request.
void publish(const Selection& processes, v1::Selection& into);

}  // namespace snag::cli
