// How interfaces of actors are written: `rt::handle<verdict(verify_password), void(sweep_due)>`.
// A handle converts to any handle with fewer messages, so facets cost nothing.
#pragma once
#include <caf/typed_actor.hpp>

/// Declares a message that stays inside the process. At global scope, once per message struct.
#define RT_MESSAGE(type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(type)

namespace troupe::rt {

namespace detail {
template <class Signature>
struct clause;
template <class R, class M>
struct clause<R(M)> {
  using type = typename caf::replies_to<M>::template with<R>;
};
template <class M>
struct clause<void(M)> {
  using type = caf::reacts_to<M>;
};
}  // namespace detail

template <class... Signatures>
using handle = caf::typed_actor<typename detail::clause<Signatures>::type...>;

/// What a state class is given as its self. Used only on the actor's own thread.
template <class H>
using self = typename H::base*;

}  // namespace troupe::rt
