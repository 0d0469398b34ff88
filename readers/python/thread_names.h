#pragma once

#include <span>
#include <string>
#include <vector>

#include "readers/python/objects.h"
#include "readers/python/runtime.h"
#include "readers/python/thread_states.h"

namespace snag::python {

// The names that a program gave its threads: Thread.name, from the dict {ident: Thread} that the module threading of
// the thread's own interpreter keeps (threading._active). UTF-8, of any characters, at most kMaxStringBytes code
// points.
//
// A name is only told of a Thread that says itself that it is this thread (_ident), and whose name was the same object
// before and after its text was read. Empty: threading was not imported there or does not know the thread (C code made
// it), or the name changed just then. Nothing is kept from one call to the next: names change.
[[nodiscard]] std::vector<std::string> thread_names(const ObjectReader& objects, const Runtime& runtime,
                                                    std::span<const ThreadState> states);

}  // namespace snag::python
