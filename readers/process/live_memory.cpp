#include "readers/process/live_memory.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "readers/process/proc_root.h"

namespace snag {
namespace {

// iov_base is what the kernel takes for an address in the other process; it is never followed here.
iovec remote_piece(Address from, std::size_t bytes) {
  return {.iov_base = reinterpret_cast<void*>(from.value), .iov_len = bytes};  // NOLINT(performance-no-int-to-ptr)
}

bool is_legal(const Piece& piece) {
  return piece.into.size() <= kMaxReadBytes && in_user_space(piece.from, piece.into.size());
}

// EFAULT is a matter of the address; everything else would fail for each address.
Error read_error(Address from, std::size_t wanted, const char* what, int system_error) {
  Error error = {.kind = ErrorKind::kSystem, .what = what, .where = from, .wanted = wanted};
  if (system_error == EFAULT) {
    error.kind = ErrorKind::kUnreadable;
    return error;
  }
  error.system_error = system_error;
  if (system_error == ESRCH) error.kind = ErrorKind::kNoSuchProcess;
  if (system_error == EPERM || system_error == EACCES) error.kind = ErrorKind::kNotPermitted;
  return error;
}

// How many leading pieces `bytes` fill; an empty piece is whole by nature.
std::size_t whole_pieces(std::span<const Piece> pieces, std::size_t bytes) {
  std::size_t whole = 0;
  for (const Piece& piece : pieces) {
    if (piece.into.size() > bytes) break;
    bytes -= piece.into.size();
    ++whole;
  }
  return whole;
}

// One system call for at most kMaxPieces legal pieces; returns the bytes copied.
Result<std::size_t> read_batch(Pid pid, std::span<const Piece> pieces, const char* what) {
  std::array<iovec, kMaxPieces> ours;    // NOLINT(cppcoreguidelines-pro-type-member-init): the first ones are filled
  std::array<iovec, kMaxPieces> theirs;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    ours[i] = {.iov_base = pieces[i].into.data(), .iov_len = pieces[i].into.size()};
    theirs[i] = remote_piece(pieces[i].from, pieces[i].into.size());
  }
  const ssize_t got = ::process_vm_readv(pid.value, ours.data(), pieces.size(), theirs.data(), pieces.size(), 0);
  if (got >= 0) return static_cast<std::size_t>(got);
  if (errno == EFAULT) return std::size_t{0};
  return fail(read_error(pieces.front().from, pieces.front().into.size(), what, errno));
}

}  // namespace

int cross_memory_error() {
  // One byte of our own first page, which is never mapped: a filter or a missing call answers before the address.
  char byte = 0;
  const iovec ours = {.iov_base = &byte, .iov_len = 1};
  const iovec theirs = {.iov_base = nullptr, .iov_len = 1};
  if (::process_vm_readv(::getpid(), &ours, 1, &theirs, 1, 0) >= 0 || errno == EFAULT) return 0;
  return errno;
}

LiveMemory::LiveMemory(Pid pid, bool has_call) : pid_(pid), has_call_(has_call) {
  if (has_call_) return;
  file_ = UniqueDescriptor(::open(ProcRoot().of(pid, "mem").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_.is_open()) file_error_ = errno == ENOENT ? ESRCH : errno;
}

Result<void> LiveMemory::read_file(Address from, std::span<std::byte> into, const char* what) const {
  if (!file_.is_open()) return fail(read_error(from, into.size(), what, file_error_));
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(file_.get(), &into[done], into.size() - done, static_cast<off_t>(from.value + done));
    if (got < 0 && errno == EINTR) continue;
    // EIO: not mapped. Nothing at all: the address space has ended with its process.
    if (got <= 0) return fail(read_error(from, into.size(), what, got == 0 ? ESRCH : errno == EIO ? EFAULT : errno));
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Result<void> LiveMemory::read(Address from, std::span<std::byte> into, const char* what) const {
  if (into.size() > kMaxReadBytes) {
    return fail(Error{.kind = ErrorKind::kOutOfBounds, .what = what, .where = from, .wanted = into.size()});
  }
  if (!in_user_space(from, into.size())) return fail(read_error(from, into.size(), what, EFAULT));
  if (into.empty()) return {};
  if (!has_call_) return read_file(from, into, what);
  const iovec ours = {.iov_base = into.data(), .iov_len = into.size()};
  const iovec theirs = remote_piece(from, into.size());
  const ssize_t got = ::process_vm_readv(pid_.value, &ours, 1, &theirs, 1, 0);
  if (got == static_cast<ssize_t>(into.size())) return {};
  return fail(read_error(from, into.size(), what, got < 0 ? errno : EFAULT));
}

Result<std::size_t> LiveMemory::read_many(std::span<const Piece> pieces, const char* what) const {
  const auto illegal = std::find_if_not(pieces.begin(), pieces.end(), is_legal);
  const auto legal = pieces.first(static_cast<std::size_t>(illegal - pieces.begin()));
  std::size_t whole = 0;
  while (!has_call_ && whole < legal.size()) {
    auto done = read_file(legal[whole].from, legal[whole].into, what);
    if (!done && done.error().kind == ErrorKind::kUnreadable) return whole;
    if (!done) return fail(done);
    ++whole;
  }
  while (whole < legal.size()) {
    const auto batch = legal.subspan(whole, std::min(kMaxPieces, legal.size() - whole));
    auto bytes = read_batch(pid_, batch, what);
    if (!bytes) return fail(bytes);
    const std::size_t now = whole_pieces(batch, *bytes);
    whole += now;
    if (now < batch.size()) break;
  }
  return whole;
}

}  // namespace snag
