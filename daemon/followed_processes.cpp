#include "daemon/followed_processes.h"

#include <algorithm>

#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/publish.h"
#include "readers/process/process_end.h"
#include "readers/process/process_list.h"
#include "readers/process/threads.h"

namespace snag::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A look costs some 20 µs where the kernel says which numbers are new, and else as much as reading all of /proc.
constexpr Nanoseconds kLookEvery = milliseconds(10);
constexpr Nanoseconds kLookEveryWithoutNumbers = milliseconds(200);
// What the cheap look cannot find is looked for in all of /proc, once a second; where that takes long, for at most one
// part in this many of the time.
constexpr Nanoseconds kFullLookEvery = seconds(1);
constexpr int kFullLookShare = 200;
// Those that are no targets: whether they have ended, or executed a program.
constexpr Nanoseconds kCheckEvery = milliseconds(250);
// A process that is not Python (yet) is tried again after this, then after twice as long, and so on: an interpreter
// that starts is ready within some 20 ms, and one that never comes costs nothing in the end.
constexpr Nanoseconds kFirstRest = milliseconds(10);
constexpr Nanoseconds kLongestRest = seconds(60);
// A forked child is at first a copy of its parent, threads included that it does not have. CPython clears them away
// within a millisecond; where numbers of threads cannot be read this is how long it is given.
constexpr Nanoseconds kSettled = milliseconds(200);
// An interpreter that is half set up may look like one that is not supported.
constexpr Nanoseconds kStarted = seconds(1);
// One attempt takes about 1 ms, in which nothing is sampled.
constexpr int kMaxAttempts = 8;
constexpr std::size_t kMaxEnds = 1000;

// Each thread of the interpreter is one of the process: not before a forked child has made the copy its own, nor while
// a child that is about to execute a program still has its parent's memory (vfork).
bool is_its_own(const Target& target) {
  const auto threads = target.threads();
  return threads && !threads->empty() &&
         std::all_of(threads->begin(), threads->end(), [](const auto& thread) { return thread.tid.value != 0; });
}

}  // namespace

FollowedProcesses::FollowedProcesses(Request& request, const v1::Selection& selection)
    : request_(&request), selection_(selection), began_(now()), births_(request.proc()) {}

FollowedProcesses::Process& FollowedProcesses::add(const ProcessIdentity& identity, Pid parent, Instant since) {
  Process process{.identity = identity, .parent = parent, .since = since, .rest = kFirstRest, .next_attempt = {}};
  return processes_.insert_or_assign(identity.pid, std::move(process)).first->second;
}

void FollowedProcesses::note_attached(Process& process) {
  process.state = Process::State::kAttached;
  process.decided = true;
  process.end.reset();
  process.executed = false;
  attached_ += process.counted ? 0 : 1;
  process.counted = true;
}

std::unique_ptr<Target> FollowedProcesses::attach_named(Pid pid, std::vector<v1::Failure>& failures) {
  auto target = request_->attach(pid);
  if (target) {
    note_attached(add((*target)->identity(), Pid{}, began_));
    if (auto stat = read_stat(proc(), pid); stat && stat->is_stopped()) {
      request_->warn(pid, "it is stopped (state " + std::string(1, stat->state) +
                              "): its stacks stand still until it goes on; kill -CONT " + std::to_string(pid.value));
    }
    return std::move(*target);
  }
  auto& error = target.error();
  const auto identity = identify(proc(), pid);
  const bool may_start_some =
      identity && error.kind == ErrorKind::kNotPython && attachability(proc(), pid) == Attachability::kAttachable;
  if (selection_.subprocesses() && may_start_some) {
    // A shell, for instance, that runs Python: nothing to complain of, if its children are there.
    auto& process = add(*identity, Pid{}, began_);
    process.decided = true;
    error.detail += ", nor is what it started";
  }
  publish(error, pid, failures.emplace_back());
  return nullptr;
}

void FollowedProcesses::attach_matching(Targets& targets, std::vector<v1::Failure>& failures) {
  auto compiled = ProcessPatterns::compile(selection_.match());
  const auto& patterns = std::get<ProcessPatterns>(compiled);  // sound: attach() has looked
  if (patterns.empty()) return;
  const auto all = births_.all();
  std::vector<v1::Failure> refused;
  for (const auto& [identity, parent] : all ? *all : std::vector<ProcessOrigin>()) {
    const Pid pid = identity.pid;
    if (pid.value == ::getpid() || pid == request_->caller().process || processes_.contains(pid)) continue;
    const auto command = searched_command_line(proc(), pid);
    if (!command || command->empty()) continue;  // a kernel thread or a zombie
    const auto name = thread_name(proc(), pid, Tid{pid.value});
    if (!patterns.match(*command) && !(name && patterns.match(*name))) continue;
    auto target = request_->attach(pid);
    if (target) {
      note_attached(add((*target)->identity(), Pid{}, began_));
      targets.push_back(std::move(*target));
    } else if (target.error().kind == ErrorKind::kUnsupported) {
      publish(target.error(), pid, failures.emplace_back());
    } else if (target.error().kind == ErrorKind::kNotPermitted) {
      publish(target.error(), pid, refused.emplace_back());  // whether it is Python cannot be said
    }
  }
  if (!targets.empty() || !failures.empty()) return;
  if (!refused.empty()) {
    failures.push_back(std::move(refused.front()));
    return;
  }
  auto& failure = failures.emplace_back();
  failure.set_status(v1::Failure::NO_SUCH_PROCESS);
  failure.set_message("no Python process has a command line or name that matches " + patterns.describe());
  failure.set_remedy("snag ps lists the Python processes");
}

void FollowedProcesses::attach_children_there(Targets& targets) {
  next_look_ = now() + (births_.is_cheap() ? kLookEvery : kLookEveryWithoutNumbers);
  next_full_look_ = now() + kFullLookEvery;
  next_check_ = now() + kCheckEvery;
  if (auto all = births_.all()) consider(std::move(*all), now() - kSettled);
  for (auto& [pid, process] : processes_) {
    if (process.state != Process::State::kWaiting || process.parent.value == 0) continue;
    if (auto target = attempt(process)) targets.push_back(std::move(target));
  }
  drop_gone();
}

FollowedProcesses::Targets FollowedProcesses::attach(std::span<const std::int32_t> pids) {
  if (const auto compiled = ProcessPatterns::compile(selection_.match());
      std::holds_alternative<std::string>(compiled)) {
    request_->fail_usage(std::get<std::string>(compiled));
    return {};
  }
  if (pids.empty() && selection_.match().empty()) {
    request_->fail_usage("no process was named");
    return {};
  }
  if (std::any_of(pids.begin(), pids.end(), [](std::int32_t pid) { return pid <= 0; })) {
    request_->fail_usage("a process id is a positive number");
    return {};
  }
  Targets targets;
  std::vector<v1::Failure> failures;
  for (const std::int32_t number : pids) {
    if (processes_.contains(Pid{number})) continue;
    if (auto target = attach_named(Pid{number}, failures)) targets.push_back(std::move(target));
  }
  attach_matching(targets, failures);
  if (selection_.subprocesses()) attach_children_there(targets);
  for (auto& failure : failures) {
    if (!targets.empty() && processes_.contains(Pid{failure.pid()})) continue;  // it waits, and its children are there
    v1::ServerMessage message;
    (targets.empty() ? *message.mutable_failure() : *message.mutable_warning()) = std::move(failure);
    request_->send(message);
    if (targets.empty()) break;
  }
  return targets;
}

bool FollowedProcesses::may_be_child(const ProcessOrigin& process) {
  const auto parent = processes_.find(process.parent);
  if (parent == processes_.end()) return false;
  const auto known = processes_.find(process.identity.pid);
  if (known != processes_.end() && known->second.identity == process.identity) return false;
  if (attachability(proc(), process.identity.pid) == Attachability::kNotAThreadGroup) return false;
  // One that has the number of a process which has ended is not the parent that we know; if the parent is gone, it
  // ended just now.
  const auto stat = read_stat(proc(), process.parent);
  return !stat || stat->start_time == parent->second.identity.start_time;
}

void FollowedProcesses::consider(std::vector<ProcessOrigin> found, Instant since) {
  // A parent is older than its children, so that grandchildren find it among those that are known.
  std::sort(found.begin(), found.end(), [](const ProcessOrigin& left, const ProcessOrigin& right) {
    return std::pair(left.identity.start_time, left.identity.pid) <
           std::pair(right.identity.start_time, right.identity.pid);
  });
  for (const auto& process : found) {
    if (!may_be_child(process)) continue;
    if (processes_.size() < kMaxProcesses) {
      add(process.identity, process.parent, since);
      continue;
    }
    if (!full_) {
      request_->warn(process.identity.pid, "it is not followed, nor are others: more than " +
                                               std::to_string(kMaxProcesses) + " processes at a time are not");
    }
    full_ = true;
  }
}

void FollowedProcesses::find_new(Instant now_there) {
  const bool full = now_there >= next_full_look_;
  if (auto found = full ? births_.all() : births_.since_last()) consider(std::move(*found), now_there);
  if (full) next_full_look_ = now() + std::max(kFullLookEvery, (now() - now_there) * kFullLookShare);
}

void FollowedProcesses::check_those_that_wait(Instant now_there) {
  for (auto& [pid, process] : processes_) {
    if (process.state == Process::State::kAttached) continue;
    const auto stat = read_stat(proc(), pid);
    if (!stat || stat->start_time != process.identity.start_time || stat->is_zombie()) {
      process.state = Process::State::kGone;
    } else if (stat->start_stack != process.start_stack) {
      process.state = Process::State::kWaiting;
      process.since = now_there;
      process.rest = kFirstRest;
      process.next_attempt = now_there;
    }
  }
}

FollowedProcesses::Targets FollowedProcesses::look() {
  const Instant now_there = now();
  find_new(now_there);
  if (now_there >= next_check_) {
    check_those_that_wait(now_there);
    next_check_ = now_there + kCheckEvery;
  }
  Targets targets;
  int attempts = 0;
  for (auto& [pid, process] : processes_) {
    if (process.state != Process::State::kWaiting || process.next_attempt > now_there) continue;
    if (++attempts > kMaxAttempts) break;
    if (auto target = attempt(process)) targets.push_back(std::move(target));
  }
  drop_gone();
  next_look_ = now() + (births_.is_cheap() ? kLookEvery : kLookEveryWithoutNumbers);
  return targets;
}

std::unique_ptr<Target> FollowedProcesses::attempt(Process& process) {
  const Pid pid = process.identity.pid;
  const auto stat = read_stat(proc(), pid);
  if (!stat || stat->start_time != process.identity.start_time || stat->is_zombie()) {
    process.state = Process::State::kGone;
    return nullptr;
  }
  process.start_stack = stat->start_stack;
  auto target = request_->attach(pid);
  if (!target) {
    put_off(process, target.error());
    return nullptr;
  }
  if ((*target)->identity() != process.identity) {
    process.state = Process::State::kGone;
    return nullptr;
  }
  if (!is_its_own(**target) && now() - process.since < kSettled) {
    process.next_attempt = now() + kFirstRest;
    return nullptr;
  }
  note_attached(process);
  return std::move(*target);
}

void FollowedProcesses::put_off(Process& process, const Error& error) {
  if (error.kind == ErrorKind::kNoSuchProcess) {
    process.state = Process::State::kGone;
    return;
  }
  const bool refused = error.kind == ErrorKind::kNotPermitted;
  const bool unsupported = error.kind == ErrorKind::kUnsupported && now() - process.since > kStarted;
  if ((refused || unsupported) && !process.warned) {
    request_->warn(error, process.identity.pid);
    process.warned = true;
  }
  if (refused) process.state = Process::State::kRefused;
  const bool no_python = error.kind == ErrorKind::kNotPython && error.where.is_null();
  if (no_python && process.executed && process.parent.value == 0 && !process.warned) {
    request_->warn(process.identity.pid, "it is sampled no longer: what it executes now is not Python");
    process.warned = true;
  }
  process.decided = process.decided || refused || unsupported || no_python;
  process.next_attempt = now() + process.rest;
  process.rest = std::min(process.rest * 2, kLongestRest);
}

void FollowedProcesses::drop_gone() {
  for (auto entry = processes_.begin(); entry != processes_.end();) {
    auto& process = entry->second;
    if (process.state != Process::State::kGone) {
      ++entry;
      continue;
    }
    if (process.end) note_gone(process);
    missed_ += process.decided ? 0 : 1;
    entry = processes_.erase(entry);
  }
}

// It had been given up before, while it was still there: what it was has ended now.
void FollowedProcesses::note_gone(Process& process) {
  if (!process.executed) {
    const auto end = process_end(process.identity.pid, process.held);
    last_end_ = end.sentence;
    process.end->set_how(end.how);
    process.end->set_abnormal(end.abnormal);
    const bool others = std::any_of(processes_.begin(), processes_.end(),
                                    [](const auto& entry) { return entry.second.state == Process::State::kAttached; });
    if (others && process.parent.value == 0) warn_of_end(process.identity.pid, end);
  }
  add_end(std::move(*process.end));
}

void FollowedProcesses::warn_of_end(Pid pid, const TargetEnd& end) {
  request_->warn(pid, "it is sampled no longer: " + end.sentence);
}

void FollowedProcesses::add_end(v1::ProcessEnd end) {
  if (ends_.size() < kMaxEnds) ends_.push_back(std::move(end));
}

void FollowedProcesses::ended(const Target& target, const TargetEnd& end, bool others_watched) {
  last_end_ = end.sentence;
  v1::ProcessEnd told;
  told.set_pid(target.pid().value);
  publish(now() - began_, *told.mutable_after());
  told.set_how(end.how);
  told.set_abnormal(end.abnormal);
  const auto known = processes_.find(target.pid());
  const bool is_known = known != processes_.end() && known->second.identity == target.identity();
  const bool is_named = is_known && known->second.parent.value == 0;
  if (end.lives && is_known && selection_.subprocesses()) {
    auto& process = known->second;
    process.state = Process::State::kWaiting;
    process.since = now();
    process.rest = kFirstRest;
    process.next_attempt = process.since;
    process.executed = end.executed;
    process.held = open_process(target.pid());
    process.end = std::move(told);
    return;
  }
  add_end(std::move(told));
  // That a child comes and goes is what it was followed for.
  if (others_watched && is_named) warn_of_end(target.pid(), end);
  if (is_known) processes_.erase(known);
}

bool FollowedProcesses::may_come() const {
  return selection_.subprocesses() && std::any_of(processes_.begin(), processes_.end(), [](const auto& entry) {
           return entry.second.state == Process::State::kWaiting;
         });
}

Pid FollowedProcesses::parent_of(const Target& target) const {
  const auto known = processes_.find(target.pid());
  return known == processes_.end() ? Pid{} : known->second.parent;
}

void FollowedProcesses::describe(const Target& target, v1::Target& into) const {
  request_->describe(target, into);
  into.set_parent(parent_of(target).value);
}

void FollowedProcesses::summarize(v1::SamplingSummary& into) const {
  into.set_processes(attached_);
  into.set_missed_processes(missed_);
  std::vector<v1::ProcessEnd> ends = ends_;
  for (const auto& [pid, process] : processes_) {
    if (process.end) ends.push_back(*process.end);
  }
  std::stable_sort(ends.begin(), ends.end(), [](const v1::ProcessEnd& left, const v1::ProcessEnd& right) {
    return duration_of(left.after()) < duration_of(right.after());
  });
  for (auto& end : ends) *into.add_ended_processes() = std::move(end);
}

}  // namespace snag::daemon
