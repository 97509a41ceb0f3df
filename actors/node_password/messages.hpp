// Who may say what to the keeper of node passwords: one hash per node name, enrols the first,
// refuses the different.
#pragma once
#include <string>

#include "actors/runtime/handle.hpp"
#include "basis/ids.hpp"
#include "basis/secret.hpp"

namespace troupe::node_password {

enum class verdict : std::uint8_t { enrolled, confirmed, refused };
/// registrar -> keeper. Answers a verdict; fails with unavailable or outcome_unknown.
struct verify_password { node_name node; secret_text password; };
/// node life controller -> keeper, when a node is deleted. Answers whether one was known.
struct forget_node { node_name node; };

/// All that registration needs to hold.
using verifier_actor = rt::handle<verdict(verify_password)>;
/// The whole keeper; only node/ and the keeper's test name it.
using keeper_actor = rt::handle<verdict(verify_password), bool(forget_node)>;

/// keeper -> hasher, which has a thread of its own: scrypt takes 139 ms on purpose.
struct make_hash { secret_text password; };
struct check_hash { secret_text password; std::string stored; };
using hasher_actor = rt::handle<std::string(make_hash), bool(check_hash)>;

}  // namespace troupe::node_password

RT_MESSAGE(troupe::node_password::verify_password)
RT_MESSAGE(troupe::node_password::forget_node)
RT_MESSAGE(troupe::node_password::verdict)
RT_MESSAGE(troupe::node_password::make_hash)
RT_MESSAGE(troupe::node_password::check_hash)
