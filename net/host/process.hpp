// Other programs as our children: started, listened to, signalled, and dead when we are.
//
// Children get a parent-death signal bound to a thread that never ends (the kernel ties the signal to the thread
// that forked, not to the process), a session of their own, closed descriptors and no signal mask of ours.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "basis/result.hpp"
#include "basis/task.hpp"

namespace troupe::net {

struct process_order {
  std::vector<std::string> arguments;      ///< [0] is the program: a path, or a name to find in PATH.
  std::vector<std::string> environment;    ///< "NAME=value"; nothing is inherited but PATH.
  std::string folder;                      ///< Working folder; empty = ours.
};

struct process_end {
  int status = 0;                          ///< Exit status, when no signal ended it.
  int signal = 0;                          ///< 0 = it ended by itself.
  std::vector<std::string> last_lines;     ///< What it wrote last, at most 20 lines of 400 bytes, for error messages.
};

/// A running child. Destroying it kills the child and waits for its end.
class process {
 public:
  virtual ~process() = default;
  virtual std::int64_t pid() const = 0;
  /// SIGTERM, SIGKILL ...; nothing happens when it has ended.
  virtual void signal(int number) = 0;
};

class process_starter {
 public:
  virtual ~process_starter() = default;
  using line = callback<void(std::string)>;      ///< One line of its standard output or error, without the newline.
  using ended = callback<void(process_end)>;
  /// `not_found` when there is no such program. Callbacks run on the starter's thread, so they
  /// only send messages; they never touch the process itself.
  virtual result<std::unique_ptr<process>> start(process_order what, line on_line, ended on_end) = 0;
};

}  // namespace troupe::net
