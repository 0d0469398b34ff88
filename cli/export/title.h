#pragma once

#include <string>

#include "cli/export/profile.h"

namespace snag::cli {

// "pid 4242, CPython 3.12.1, uvicorn"; several processes with "; " between them. Safe to print.
[[nodiscard]] std::string title_of(const ProfileInfo& info);
// "2,998 samples of 1 thread, wall, 99.9 of 100 samples/s in 30.0 s"
[[nodiscard]] std::string subtitle_of(const Profile& profile, const ProfileInfo& info);
// "2,990 whole, 8 partial, 2 lost (unreadable 2), 0 late; target stopped for 0 ms". What every picture must state.
[[nodiscard]] std::string losses_of(const ProfileInfo& info);

}  // namespace snag::cli
