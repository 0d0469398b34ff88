// snagd: watches processes for the clients that connect to it.

#include <iostream>
#include <string>

#include <boost/program_options.hpp>
#include <pthread.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/server.h"

namespace {

namespace options = boost::program_options;
using snag::UniqueDescriptor;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr const char* kDefaultSocket = "/run/snag/snagd.sock";

// SIGINT and SIGTERM become readable instead of interrupting; SIGPIPE says nothing that a failed write does not.
UniqueDescriptor take_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // Stops of threads that we trace are waited for where they are asked for; they need no signal each.
  struct sigaction children {};
  children.sa_handler = SIG_DFL;
  children.sa_flags = SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &children, nullptr);
  return UniqueDescriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// A recorded thread takes three descriptors and a process one: of some hundred processes the soft limit, mostly 1,024
// for the sake of select(2), would leave many without. The hard one is what the administrator has decided on.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int serve_socket(const std::string& path) {
  const auto stop = take_signals();
  auto listener = snag::daemon::listen_at(path);
  if (!listener) {
    std::cerr << "snagd: " << snag::describe(listener.error()) << "\n";
    return kFailed;
  }
  spdlog::info("listening at {}", path);
  snag::daemon::serve_all(*listener, stop.get());
  ::unlink(path.c_str());
  return kDone;
}

int run(int argc, char** argv) {
  options::options_description described("snagd: samples Python processes for the clients that connect");
  described.add_options()("help", "this text")("version", "the version")(
      "socket", options::value<std::string>()->default_value(kDefaultSocket), "listen at this path")(
      "private", "serve one client, over --socket-fd, and end with it")("socket-fd", options::value<int>(),
                                                                        "descriptor of the connected socket");
  options::variables_map given;
  options::store(options::parse_command_line(argc, argv, described), given);
  options::notify(given);
  if (given.count("help") != 0) {
    std::cout << described;
    return kDone;
  }
  if (given.count("version") != 0) {
    std::cout << "snagd " << SNAG_VERSION << "\n";
    return kDone;
  }
  raise_descriptor_limit();
  if (given.count("private") == 0) return serve_socket(given["socket"].as<std::string>());
  if (given.count("socket-fd") == 0) {
    std::cerr << "snagd: --private needs --socket-fd\n";
    return kUsage;
  }
  // The terminal's signals are for the client, which then says Stop or goes.
  const auto signals = take_signals();
  snag::daemon::serve_one(UniqueDescriptor(given["socket-fd"].as<int>()));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("snagd"));
  try {
    return run(argc, argv);
  } catch (const options::error& wrong) {
    std::cerr << "snagd: " << wrong.what() << "; see snagd --help\n";
    return kUsage;
  } catch (const std::exception& failure) {
    std::cerr << "snagd: " << failure.what() << "\n";
    return kFailed;
  }
}
