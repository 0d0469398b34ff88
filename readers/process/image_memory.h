#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "readers/process/remote_memory.h"

namespace snag {

// Recorded memory with faults to inject: deterministic tests and fuzzing. Reads are numbered from 1; each piece of
// read_many is a read of its own, since the kernel too copies piece by piece while the target runs.
class ImageMemory final : public RemoteMemory {
 public:
  // Takes a segment in. False, and nothing taken, when it overlaps another one or leaves user space.
  bool add(Address at, std::vector<std::byte> bytes);
  bool add(Address at, std::span<const std::byte> bytes) {
    return add(at, std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  template <class T>
  bool add_value(Address at, const T& value) {
    return add(at, std::as_bytes(std::span(&value, 1)));
  }

  // Changes recorded contents, as the target's running would. False when not all of it is recorded.
  bool change(Address at, std::span<const std::byte> bytes);
  template <class T>
  bool change_value(Address at, const T& value) {
    return change(at, std::as_bytes(std::span(&value, 1)));
  }

  // From here on reads that touch the range are kUnreadable, though bytes may be recorded there.
  void unmap(Address begin, std::size_t bytes);
  // The read of this number fails with this error.
  void fail_read(std::size_t number, Error error);
  // Before the read of this number is served, `happen` is called: it may change, add or unmap, and so tear a read.
  void before_read(std::size_t number, std::function<void(ImageMemory&)> happen);
  // Before each read, with its number and address.
  void before_every_read(std::function<void(ImageMemory&, std::size_t, Address)> happen);

  [[nodiscard]] std::size_t reads() const { return reads_; }
  // The faults that no read has met: a test that lists a fault and never hits it proves nothing, so it ends with
  // CHECK(memory.faults_not_hit().empty()).
  [[nodiscard]] std::vector<std::string> faults_not_hit() const;

  [[nodiscard]] Result<void> read(Address from, std::span<std::byte> into, const char* what) const override;
  [[nodiscard]] Result<std::size_t> read_many(std::span<const Piece> pieces, const char* what) const override;

 private:
  struct Hole {
    Address begin;
    std::size_t bytes;
    mutable bool hit = false;
  };
  Result<void> read_numbered(Address from, std::span<std::byte> into, const char* what) const;
  [[nodiscard]] bool meets_hole(Address from, std::size_t bytes) const;

  std::map<std::uint64_t, std::vector<std::byte>> segments_;
  std::vector<Hole> holes_;
  // RemoteMemory reads are const; the count of them and what they set off are this fake's own business.
  mutable std::map<std::size_t, Error> failures_;
  mutable std::map<std::size_t, std::function<void(ImageMemory&)>> happenings_;
  std::function<void(ImageMemory&, std::size_t, Address)> every_read_;
  mutable std::size_t reads_ = 0;
};

}  // namespace snag
