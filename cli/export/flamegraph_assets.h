#pragma once

#include <string_view>

// flamegraph.css and flamegraph.js, compiled in by CMakeLists.txt.
namespace snag::cli {

extern const std::string_view kFlamegraphStyle;
extern const std::string_view kFlamegraphScript;

}  // namespace snag::cli
