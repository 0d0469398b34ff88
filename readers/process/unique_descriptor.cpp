#include "readers/process/unique_descriptor.h"

#include <unistd.h>

namespace snag {

UniqueDescriptor& UniqueDescriptor::operator=(UniqueDescriptor&& other) noexcept {
  if (this != &other) {
    if (is_open()) ::close(descriptor_);
    descriptor_ = other.release();
  }
  return *this;
}

UniqueDescriptor::~UniqueDescriptor() {
  if (is_open()) ::close(descriptor_);
}

}  // namespace snag
