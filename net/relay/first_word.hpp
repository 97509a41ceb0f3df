// Before a client is spliced to a server: what it says is passed on and also kept, until the server has answered its first
// byte. A server that hangs up, or is given up, before that has promised nothing, and the client can be taken to another
// with the same words. Whoever speaks TLS says nothing that counts before the first answer. Lives on one shard.
#pragma once
#include <memory>
#include <string>

#include "basis/task.hpp"
#include "net/shard.hpp"
#include "net/stream.hpp"

namespace troupe::net {

/// `server` is set: it spoke, or is trusted (limits below): splice the two. Else it said nothing: `client` is held, `said` is
/// what it wants answered. Both null: the client left.
struct word_outcome {
  stream_ptr client, server;
  std::string said;
  error why;
};

class first_word {
 public:
  virtual ~first_word() = default;        ///< Aborts both; nothing is told.
  /// The server is not waited for any longer.
  virtual void give_up(error why) = 0;
};

/// Says `said` to the server first. `done` comes once, never inside a call to or from here.
std::unique_ptr<first_word> await_first_word(shard& on, stream_ptr client, stream_ptr server, std::string said, callback<void(word_outcome)> done);

inline constexpr std::size_t said_bytes_max = 16 * 1024;                   ///< Who says more without an answer is spliced.
inline constexpr duration first_word_limit = std::chrono::seconds(5);     ///< So is who waits longer.

}  // namespace troupe::net
