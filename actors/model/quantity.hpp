// Kubernetes' fixed-point numbers with a suffix: "1500m", "1Gi", "2e3". Pure arithmetic, no floating point.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe::model {

/// The form Kubernetes writes: "1000m" becomes "1", "1024Mi" becomes "1Gi", "0.5" becomes "500m".
/// `invalid` with upstream's words when the text is no quantity.
result<std::string> canonical_quantity(std::string_view text);
/// Compares two quantities; both must be valid. Exact up to 10^-9.
result<std::strong_ordering> compare_quantities(std::string_view left, std::string_view right);
/// The value in thousandths, rounded up; saturates. `invalid` when the text is no quantity.
result<std::int64_t> quantity_milli(std::string_view text);

}  // namespace troupe::model
