// Which processes are followed, and what the client is told of it, on a /proc in which nothing is Python: who is
// attached is shown by the truth tests.

#include "daemon/followed_processes.h"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/process/process_tree.h"

namespace snag::daemon {
namespace {

using snag::test::ProcessTree;

constexpr std::uint32_t kUser = 7;

v1::Selection with_subprocesses() {
  v1::Selection selection;
  selection.set_subprocesses(true);
  return selection;
}

// A request whose client's end is kept here.
class Asked {
 public:
  Asked(const ProcessTree& tree, const v1::Selection& selection)
      : proc_(tree.path()),
        ends_(make_ends()),
        connection_(UniqueDescriptor(ends_[0])),
        request_(connection_, interner_, proc_, Caller{.user = kUser, .process = {}}),
        client_(ends_[1]),
        followed(request_, selection) {}

  // What was sent since the last call.
  std::vector<v1::ServerMessage> sent() {
    connection_.drain(std::chrono::seconds(1));
    std::array<std::byte, 1 << 16> bytes{};
    for (ssize_t count = 1; count > 0;) {
      count = ::recv(client_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (count > 0) reader_.feed(std::span(bytes).first(static_cast<std::size_t>(count)));
    }
    std::vector<v1::ServerMessage> messages;
    v1::ServerMessage message;
    while (reader_.next(message) == stream::MessageReader::Outcome::kMessage) messages.push_back(message);
    return messages;
  }
  v1::Failure failure() {
    const auto messages = sent();
    REQUIRE(messages.size() == 1);
    REQUIRE(messages.front().has_failure());
    return messages.front().failure();
  }
  // As after so many looks, each when it is due.
  void look(int times = 1) {
    for (int i = 0; i < times; ++i) CHECK(followed.look().empty());
  }

 private:
  static std::array<int, 2> make_ends() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    return ends;
  }

  ProcRoot proc_;
  std::array<int, 2> ends_;
  Connection connection_;
  stream::Interner interner_;
  Request request_;
  UniqueDescriptor client_;
  stream::MessageReader reader_;

 public:
  FollowedProcesses followed;
};

}  // namespace

TEST_CASE("a request names processes, or a pattern that is sound") {
  const ProcessTree tree(20);
  v1::Selection unsound;
  unsound.add_match("(");
  const std::array<std::int32_t, 1> negative{-1};
  Asked none(tree, {});
  CHECK(none.followed.attach({}).empty());
  CHECK(none.failure().status() == v1::Failure::USAGE);
  Asked pattern(tree, unsound);
  CHECK(pattern.followed.attach({}).empty());
  CHECK(pattern.failure().status() == v1::Failure::USAGE);
  Asked number(tree, {});
  CHECK(number.followed.attach(negative).empty());
  CHECK(number.failure().status() == v1::Failure::USAGE);
}

TEST_CASE("what is no Python is a failure, unless its children are followed and one of them is") {
  const ProcessTree tree(20);
  tree.add(5, 1);
  tree.add(6, 5);
  const std::array<std::int32_t, 1> pids{5};
  Asked alone(tree, {});
  CHECK(alone.followed.attach(pids).empty());
  CHECK_FALSE(alone.followed.may_come());
  CHECK(alone.followed.next_look() == Instant::max());
  const auto failure = alone.failure();
  CHECK(failure.status() == v1::Failure::NO_SUCH_PROCESS);
  Asked family(tree, with_subprocesses());
  CHECK(family.followed.attach(pids).empty());
  CHECK(family.failure().message() == failure.message() + ", nor is what it started");
}

TEST_CASE("a child that runs with another user's rights is refused, and said so once") {
  const ProcessTree tree(20);
  tree.add(5, 1);
  const std::array<std::int32_t, 1> pids{5};
  Asked asked(tree, with_subprocesses());
  CHECK(asked.followed.attach(pids).empty());
  (void)asked.sent();
  tree.add(21, 5, 8, "7\t0\t0\t0");
  tree.add(22, 21, 8);               // its child is the user's own, and no Python
  tree.add(23, 1, 8, "0\t0\t0\t0");  // nobody's child here
  tree.say_last(23);
  asked.look(3);
  const auto messages = asked.sent();
  REQUIRE(messages.size() == 1);
  CHECK(messages.front().warning().status() == v1::Failure::NOT_PERMITTED);
  CHECK(messages.front().warning().pid() == 21);
  CHECK_THAT(messages.front().warning().message(), Catch::Matchers::Contains("set-user-ID"));
}

TEST_CASE("whoever has the number of a process that has ended is not taken for it") {
  const ProcessTree tree(20);
  tree.add(5, 1);
  const std::array<std::int32_t, 1> pids{5};
  Asked asked(tree, with_subprocesses());
  CHECK(asked.followed.attach(pids).empty());
  (void)asked.sent();
  tree.add(5, 1, 9);  // another one
  tree.add(21, 5, 9, "0\t0\t0\t0");
  tree.say_last(21);
  asked.look(2);
  CHECK(asked.sent().empty());  // its child was not even looked at, or it would have been refused
}

TEST_CASE("a thread of a followed process is not taken for a child of its parent") {
  const ProcessTree tree(20);
  tree.add(5, 1);
  const std::array<std::int32_t, 1> pids{5};
  Asked asked(tree, with_subprocesses());
  CHECK(asked.followed.attach(pids).empty());
  (void)asked.sent();
  tree.add(21, 5, 8);
  tree.add(22, 5, 8, "0\t0\t0\t0", 21);  // it would be refused, and said so
  tree.say_last(22);
  asked.look(2);
  CHECK(asked.sent().empty());
}

TEST_CASE("no more processes are followed than can be, and that is said once") {
  const ProcessTree tree(3000);
  tree.add(5, 1);
  const int count = static_cast<int>(FollowedProcesses::kMaxProcesses) + 3;
  for (int i = 0; i < count; ++i) tree.add(1000 + i, 5, 8);
  const std::array<std::int32_t, 1> pids{5};
  Asked asked(tree, with_subprocesses());
  CHECK(asked.followed.attach(pids).empty());
  const auto messages = asked.sent();
  REQUIRE(messages.size() == 2);
  CHECK_THAT(messages.front().warning().message(), Catch::Matchers::Contains("more than 1000 processes"));
  CHECK(messages.back().has_failure());
}

TEST_CASE("a pattern looks for what the client may look at, and says when there is none") {
  const ProcessTree tree(20);
  tree.add(5, 1);
  v1::Selection selection;
  selection.add_match("^x$");
  Asked nobody(tree, selection);
  CHECK(nobody.followed.attach({}).empty());
  auto failure = nobody.failure();
  CHECK(failure.status() == v1::Failure::NO_SUCH_PROCESS);
  CHECK_THAT(failure.message(), Catch::Matchers::Contains("'^x$'"));
  tree.add(6, 1, 7, "0\t0\t0\t0");
  Asked refused(tree, selection);
  CHECK(refused.followed.attach({}).empty());
  CHECK(refused.failure().status() == v1::Failure::NOT_PERMITTED);
}

}  // namespace snag::daemon
