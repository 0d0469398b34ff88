#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "readers/python/layout.h"

namespace snag::test {

struct Interpreter {
  std::string command;  // how a shell starts it
  std::string name;     // "3.11.7", "/usr/bin/python3", or "3.14 (other root)"
  python::Version version;
};

// The interpreters of pyenv ($PYENV_ROOT, ~/.pyenv), the system's, and those of the root that the project lays for
// newer ones ($SNAG_SID_ROOT, else snag/sid of the cache folder), of the versions that Snag knows. Prints which of
// these versions the machine does not have.
std::vector<Interpreter> interpreters();

// What an oracle script says of one thing: fields in the order that its head states.
using Field = std::vector<std::byte>;
using Record = std::vector<Field>;

// A field as numbers.
template <class T>
std::vector<T> numbers(const Field& field) {
  std::vector<T> result(field.size() / sizeof(T));
  if (!result.empty()) std::memcpy(result.data(), field.data(), result.size() * sizeof(T));
  return result;
}
inline std::string text(const Field& field) { return {reinterpret_cast<const char*>(field.data()), field.size()}; }

// Records that a script of this folder writes, run by an interpreter. Format: oracle_corpus.py.
class Oracle {
 public:
  // `environment`: assignments for the script, "PYTHON_JIT=1".
  Oracle(const Interpreter& interpreter, const std::string& script, const std::string& environment = {});
  std::optional<Record> next();
  // The script's exit status, when all records are read.
  int finish();

 private:
  struct Close {
    void operator()(std::FILE* pipe) const { pclose(pipe); }
  };
  bool read(void* to, std::size_t size);
  std::unique_ptr<std::FILE, Close> pipe_;
};

}  // namespace snag::test
