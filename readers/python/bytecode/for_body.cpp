#include "readers/python/bytecode/for_body.h"

namespace snag::python {
namespace {

// Where the body begins if `store` puts the next item into the local. The fused opcodes of 3.13 are part of the body:
// their second half is already the body's first act, and neither half can call anything.
std::optional<std::uint32_t> body_after(const Instruction& store, Role role, unsigned local_slot) {
  if (role == Role::kStoreLocal && store.argument == local_slot) return store.end;
  const bool fused = role == Role::kStoreThenLoadLocal || role == Role::kStoreTwoLocals;
  if (fused && store.argument >> 4U == local_slot) return store.begin;
  return std::nullopt;
}

}  // namespace

std::optional<CodeRange> for_body_of(const Instructions& instructions, unsigned local_slot) {
  const auto all = instructions.all();
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (instructions.opcode_of(all[i]).role != Role::kForIter) continue;
    const auto begin = body_after(all[i + 1], instructions.opcode_of(all[i + 1]).role, local_slot);
    const auto exit = instructions.jump_target(all[i]);
    if (begin && exit && all[*exit].begin > *begin) return CodeRange{.begin = *begin, .end = all[*exit].begin};
  }
  return std::nullopt;
}

}  // namespace snag::python
