// Shortens what every controller does: one API call, and what follows from its answer.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/errors.hpp"
#include "basis/clock.hpp"

namespace troupe::controllers {

inline constexpr duration api_limit = std::chrono::seconds(5);

/// `then` gets the answer; one with status 0 and the reason as its body when there was none.
template <class Self, class Then>
void call(Self* self, const client::api_actor& api, std::string method, std::string path, const json& body, std::string type, Then then) {
  client::api_call what{std::move(method), std::move(path), body.is_null() ? "" : to_text(body), std::move(type), "", {}};
  self->request(api, api_limit, std::move(what))
      .then([then](const client::api_answer& got) { then(got); },
            [then](caf::error& why) { then(client::api_answer{0, rt::reason(why).text()}); });
}

inline constexpr const char* as_json = "application/json";
inline constexpr const char* as_strategic = "application/strategic-merge-patch+json";
inline constexpr const char* as_merge = "application/merge-patch+json";

}  // namespace troupe::controllers
