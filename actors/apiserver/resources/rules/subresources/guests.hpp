// Ephemeral containers of a pod: what pods/ephemeralcontainers may change. Pure.
#pragma once
#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver::rules {

/// Makes `body` the stored pod with nothing but the body's ephemeral containers and metadata.
void keep_but_guests(const json& old, json& body);
/// Ephemeral containers are added, never changed or removed, and have none of what makes a container a service.
void check_guests(const json& old, const json& now, causes& out);

}  // namespace troupe::apiserver::rules
