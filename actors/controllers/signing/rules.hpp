// What becomes of a CertificateSigningRequest: upstream's three signers of the cluster itself. Pure.
//
// Source: upstream's pkg/controller/certificates/{approver,signer} and certificates/v1's documented signers.
#pragma once
#include <optional>

#include "actors/controllers/signing/request_der.hpp"
#include "basis/clock.hpp"
#include "basis/json.hpp"
#include "net/tls/issuer.hpp"

namespace troupe::controllers {

enum class signer_name : std::uint8_t { client, kubelet_client, kubelet_serving };
/// Nothing: somebody else's signer, who is left alone.
std::optional<signer_name> signer_of(const json& request);

/// Whether a node asks for its own client certificate, and by which right it could be granted without a person: the
/// subresource of certificatesigningrequests whose creation must be allowed. Empty: a person decides.
std::string approving_right(const json& request, const asked_names& names);

/// The leaf to be signed (without its key); `invalid`: why the signer will not, in a sentence.
result<net::tls::leaf_request> leaf_of(signer_name as, const json& request, const asked_names& names);
/// How long it is valid: what was asked for, at least ten minutes, at most `most`.
duration validity_of(const json& request, duration most);

enum class request_state : std::uint8_t { pending, approved, over };   ///< over: denied, failed or issued.
request_state state_of(const json& request);
/// Whether nobody needs it any more at `now`: an hour after it was over, a day after it was made.
bool is_stale(const json& request, wall_time now);

}  // namespace troupe::controllers
