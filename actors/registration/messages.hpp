// The handshake of a node, from both ends: the registrar on a server, the enrolment on an agent.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/certificates/messages.hpp"
#include "actors/revocation/messages.hpp"
#include "actors/runtime/handle.hpp"
#include "basis/json.hpp"
#include "basis/secret.hpp"
#include "net/tls/tls.hpp"

namespace troupe::registration {

/// supervisor -> registrar: a node wants one of its two certificates. Answers it, or fails with
/// forbidden (password refused), unavailable, unauthorized (a node certificate whose Node is gone).
struct register_node {
  certificates::sign_certificate wanted;
  secret_text password;
  std::string remote;           ///< Where the caller is, for the log.
  bool by_node_identity = false;
};
using registrar_actor = rt::handle<certificates::issued_certificate(register_node), void(revocation::revocations_changed)>;

/// What a successful handshake leaves an agent with.
struct grant {
  node_name node;
  std::string server_ca, client_ca;              ///< PEM.
  net::tls::identity kubelet_client, kubelet_serving, controller;
  json config;                                   ///< /v1-k3s/config.
  std::vector<endpoint> servers;                 ///< /v1-k3s/apiservers; never empty.
};
/// enrolment -> its owner: admitted, and again whenever the certificates have been renewed, which is at half of their
/// life. Not `fresh`: no server has answered yet, this is what the last start left behind; once, and never after a fresh one.
struct enrolled { std::shared_ptr<const grant> what; bool fresh = true; };
/// enrolment -> its owner, once, and never after a fresh admission: going on is useless, the sentence says what to do.
struct enrolment_refused { std::string why; };
using applicant_actor = rt::handle<void(enrolled), void(enrolment_refused)>;

struct start_enrolment {};
struct answer_arrived { std::uint64_t attempt = 0; int status = 0; std::string body; };
struct answer_missing { std::uint64_t attempt = 0; error why; };
struct retry_due {};
struct kept_due {};      ///< Nobody has answered for a while.
struct renewal_due {};
using enrolment_actor = rt::handle<void(start_enrolment), void(answer_arrived), void(answer_missing), void(retry_due),
                                   void(kept_due), void(renewal_due)>;

}  // namespace troupe::registration

RT_MESSAGE(troupe::registration::register_node)
RT_MESSAGE(troupe::registration::enrolled)
RT_MESSAGE(troupe::registration::enrolment_refused)
RT_MESSAGE(troupe::registration::start_enrolment)
RT_MESSAGE(troupe::registration::answer_arrived)
RT_MESSAGE(troupe::registration::answer_missing)
RT_MESSAGE(troupe::registration::retry_due)
RT_MESSAGE(troupe::registration::kept_due)
RT_MESSAGE(troupe::registration::renewal_due)
