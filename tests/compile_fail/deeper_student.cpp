// A mapping that the depths do not suit is refused where these are known to the compiler.
// must say: expects_shallow_student
#include "limbeck/mappings/ends.hpp"

#ifdef MISUSE
constexpr limbeck::depths models{.student = 6, .teacher = 4};
#else
constexpr limbeck::depths models{.student = 4, .teacher = 6};
#endif
static_assert(limbeck::pair_count(limbeck::last_mapping{}, models) == models.student);
