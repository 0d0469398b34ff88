#include "readers/process/process_end.h"

#include <cstdint>

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snag {
namespace {

// struct pidfd_info of include/uapi/linux/pidfd.h, as long as it was first (PIDFD_INFO_SIZE_VER0); Debian 12's headers
// are older.
struct PidfdInfo {
  std::uint64_t mask = 0;
  std::uint64_t cgroup = 0;
  std::uint32_t numbers_and_users[11] = {};
  std::int32_t wait_status = 0;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kWithWaitStatus = 1U << 3U;                    // PIDFD_INFO_EXIT, 6.15
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, struct PidfdInfo);  // PIDFD_GET_INFO, 6.13

}  // namespace

UniqueDescriptor open_process(Pid pid) {
  return UniqueDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid.value, 0)));
}

std::optional<int> wait_status_of(const UniqueDescriptor& process) {
  if (!process.is_open()) return std::nullopt;
  PidfdInfo info{.mask = kWithWaitStatus};
  if (::ioctl(process.get(), kGetInfo, &info) != 0) return std::nullopt;
  if ((info.mask & kWithWaitStatus) == 0) return std::nullopt;
  return info.wait_status;
}

}  // namespace snag
