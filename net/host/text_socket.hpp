// A local socket that only its owner can open, and that tells each caller one text and hangs up. It is
// served by a thread of its own and asks nobody else, so it still answers when the process is stuck.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "basis/result.hpp"

namespace troupe::net {

class text_socket {
 public:
  virtual ~text_socket() = default;      ///< Ends the thread and removes the socket's file.
};

/// Listens on the path (mode 0600; a file left by a dead process is replaced). `tell` runs on the
/// socket's thread for each caller with the same user id (or root). Fails as files do, already_exists
/// when a living process answers there.
result<std::unique_ptr<text_socket>> serve_text(const std::string& path, std::function<std::string()> tell);
/// Calls the socket at `path` and reads everything (at most 64 MiB, for at most 5 s).
result<std::string> fetch_text(const std::string& path);

}  // namespace troupe::net
