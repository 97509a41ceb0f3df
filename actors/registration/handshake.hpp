// The agent's half of a registration as a step function: what to ask next, and what an answer means.
// No clock, no actor, no I/O. Journey J1 (docs/journeys/j1-agent-registers.md) numbers its steps.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "actors/registration/token.hpp"
#include "basis/bytes.hpp"
#include "basis/ids.hpp"
#include "basis/json.hpp"
#include "net/tls/tls.hpp"

namespace troupe::registration {

/// What the agent brings along.
struct application {
  node_name node;
  secret_text password;                     ///< Of the node.
  token with;
  std::vector<std::string> internal_addresses, all_addresses;
  secret_text client_key, serving_key, controller_key;
  std::string client_request, serving_request, controller_request;   ///< PKCS#10 in DER.
  net::tls::identity present;               ///< A kubelet certificate of an earlier start; may be empty.
};

struct next_request {
  std::string method, path, body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool verified = true;                     ///< False once: to fetch the CA that is then checked.
  bool with_certificate = false;
};
/// The handshake is through; the pieces are in harvest().
struct complete {};
/// Trying again is useless until somebody does what the sentence says.
struct hopeless { std::string why; };
using next_step = std::variant<next_request, complete, hopeless>;

class handshake {
 public:
  using digest_of = std::function<std::string(std::string_view pem)>;
  /// The certificate of a bundle that a token's digest names, empty when there is none: an authority that was replaced by another
  /// which it has signed is still one to be known by.
  using pinned_of = std::function<std::string(std::string_view bundle, std::string_view digest)>;
  handshake(application what, digest_of digest, pinned_of pinned = {});

  next_step next() const;
  /// Takes the answer to next(). Fails when the server cannot serve it now (try again later; the note
  /// is for the log). A refusal for good shows in next().
  result<void> answer(int status, std::string_view body);
  /// The certificate of an earlier start is refused before anything is asked: it has ended, or is another cluster's.
  void forget_certificate() { use_certificate_ = false; }
  bool shows_certificate() const { return use_certificate_; }
  /// Nobody answered, or not as a server of ours would: begin anew.
  void restart();

  /// The CA to verify the server with; empty before it was fetched.
  const std::string& trust() const { return trust_; }
  std::string text(std::string_view piece) const;   ///< "server-ca.crt", "client-kubelet.crt", "config" ...
  const application& applicant() const { return what_; }

 private:
  enum class step : std::uint8_t { fetch_ca, check_ca, config, client_ca, server_ca, serving, client, controller, servers, done };
  next_request ask(std::string path) const;
  next_request ask_for_certificate(std::string path, const std::string& request, const std::vector<std::string>& addresses) const;
  result<void> refused(int status, std::string_view body);

  application what_;
  digest_of digest_;
  pinned_of pinned_;
  step at_ = step::fetch_ca;
  std::string trust_, bundle_;              ///< What verifies the server now, and what will once it has: /cacerts as it came.
  std::string hopeless_;
  bool use_certificate_ = true;             ///< Until a server says that it counts no longer.
  std::map<std::string, std::string, std::less<>> pieces_;
};

}  // namespace troupe::registration
