#pragma once

#include <utility>

#include <tl/expected.hpp>

#include "readers/base/error.h"

namespace snag {

// A value or the reason why there is none. Readers return it and never throw.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Failure = tl::unexpected<Error>;

// Passes a failure on: `if (!code) return fail(code);`
template <class T>
[[nodiscard]] Failure fail(const Result<T>& failed) {
  return Failure(failed.error());
}
[[nodiscard]] inline Failure fail(Error error) { return Failure(std::move(error)); }

}  // namespace snag
