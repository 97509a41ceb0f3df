// Makes the actor that renews a running server's certificates at half of their life and tells whoever shows them: new
// connections get the new ones, open ones go on.
#pragma once
#include "actors/certificates/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/node/ground.hpp"

namespace troupe::node {

struct look_due {};
using renewer_actor = rt::handle<void(look_due)>;
/// `now` is what is shown at present.
renewer_actor make_renewer(const rt::world& in, ground on, const certificates::pki& now, front::front_actor front, std::vector<certificates::shower_actor> showers);

}  // namespace troupe::node

RT_MESSAGE(troupe::node::look_due)
