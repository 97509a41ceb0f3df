// TLS 1.2 and 1.3 on top of any stream. The real one is OpenSSL, the simulated one exchanges
// symbolic certificates. Contexts are immutable and may be shared by all connections of a shard.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "basis/secret.hpp"
#include "basis/task.hpp"
#include "net/shard.hpp"
#include "net/stream.hpp"

namespace troupe::net::tls {

/// Certificate chain (PEM, leaf first) and its private key (PEM).
struct identity {
  std::string certificates = {};
  secret_text key = {};
  bool empty() const noexcept { return certificates.empty(); }
};

struct client_options {
  std::string trust = {};         ///< PEM bundle to verify the server with; empty: no verification at all.
  std::string server_name = {};   ///< Name or address that the certificate must cover; also SNI when a name.
  identity self = {};             ///< Presented when the server asks; may be empty.
};

struct server_options {
  identity self = {};
  std::string client_trust = {};  ///< PEM bundle; clients may present a certificate of it, and are not required to.
};

class server_context {       ///< Made by a provider, opaque to everybody else.
 public:
  virtual ~server_context() = default;
};
class client_context {
 public:
  virtual ~client_context() = default;
};

inline constexpr duration handshake_limit = std::chrono::seconds(10);

class provider {
 public:
  virtual ~provider() = default;
  using secured = callback<void(result<stream_ptr>)>;

  /// Fails with invalid when a PEM cannot be read or the key does not fit its certificate.
  virtual result<std::shared_ptr<const server_context>> make_server(const server_options& with) = 0;
  virtual result<std::shared_ptr<const client_context>> make_client(const client_options& with) = 0;

  /// Takes over `raw` and finishes (on `on`, within handshake_limit) with the secured stream, or
  /// untrusted (certificate refused; the note says why), timeout, closed.
  virtual void accept(shard& on, stream_ptr raw, std::shared_ptr<const server_context> as, secured done) = 0;
  virtual void connect(shard& on, stream_ptr raw, std::shared_ptr<const client_context> as, secured done) = 0;
};

}  // namespace troupe::net::tls
