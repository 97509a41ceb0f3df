// How a command asks the running server of a data directory: over its port 6443, with the token and the certificate authority
// that lie there, as K3s's commands do.
#pragma once
#include <string>

#include "basis/clock.hpp"
#include "basis/result.hpp"
#include "net/http/message.hpp"

namespace troupe::bin {

struct question {
  std::string data_folder;
  std::string server;               ///< https://HOST:PORT; empty: where the server of the data directory says it listens.
  std::string token;                ///< Empty: the one in the data directory.
  std::string method, path, body;   ///< The body is JSON.
  bool as_admin = false;            ///< With the administrator's certificate of the data directory instead of the token.
  std::string body_type = "application/json";
  duration patience = std::chrono::minutes(10);   ///< A copy of everything, or storing it anew, takes as long as the disk does.
};

/// Blocks. Whatever the server answered; when it could not be asked, why, as a sentence with what to look at.
result<net::http::response> ask_server(const question& what);
/// The digest of the certificate authority of a data directory's server, as join tokens name it.
result<std::string> authority_digest(const std::string& data_folder);
/// The message of a refusal.
std::string sentence_of(const net::http::response& refusal);

}  // namespace troupe::bin
