#include <doctest/doctest.h>

#include "actors/node_password/record.hpp"

using namespace troupe;
using namespace troupe::node_password;

TEST_CASE("the Secret of a node is K3s's, and its hash is read back") {
  const node_name node{"n1"};
  const auto body = secret_body(node, "$1:aa:15:8:1:bb");
  const auto secret = *parse_json(body);
  CHECK(secret["metadata"]["name"] == "n1.node-password.k3s");
  CHECK(secret["metadata"]["namespace"] == "kube-system");
  CHECK(secret["type"] == "k3s.cattle.io/node-password");
  CHECK(secret["immutable"] == true);
  CHECK(secret_path(node) == "/api/v1/namespaces/kube-system/secrets/n1.node-password.k3s");
  CHECK(read_hash(body).value_or("") == "$1:aa:15:8:1:bb");
}

TEST_CASE("a Secret without a readable hash is corrupt") {
  for (const char* body : {"", "{", "[]", "{}", "{\"data\":{}}", "{\"data\":{\"hash\":\"\"}}", "{\"data\":{\"hash\":\"%%%\"}}",
                           "{\"data\":{\"hash\":7}}", "{\"data\":\"hash\"}"})
    CHECK_MESSAGE(read_hash(body).code() == errc::corrupt, body);
}
