#!/bin/bash
# Does a row of layout offsets compile? usage: check_row.sh COMPILER SOURCE_DIR ROW CASE
#   CASE  unchanged                            it compiles
#         without-offset, without-maybe, without-group, wrong-offset, wrong-absent
#                                              the row with that done to it does not, and the compiler says why
set -euo pipefail
compiler=$1 source_dir=$2 row=$3 case=$4

altered='the row is not as the extractor wrote it'
expected='' edit=''
case $case in
  unchanged) ;;
  without-offset) edit='/^        \.interp = /d' expected='snag::python::Offset' ;;
  without-maybe) edit='/^        \.native_thread_id = /d' expected='snag::python::MaybeOffset' ;;
  without-group) edit='/^    \.frame = /,/^    },/d' expected='snag::python::Size' ;;
  wrong-offset) edit='s/^\(        \.interp = \).*/\1Offset(24),/' expected=$altered ;;
  wrong-absent) edit='s/^\(        \.gc_collecting = \)MaybeOffset([0-9]*)/\1MaybeOffset(kAbsent)/' expected=$altered ;;
  *) echo "unknown case $case" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "$edit" "$row" >"$work/row.inc"
if [[ $case != unchanged ]] && cmp -s "$row" "$work/row.inc"; then echo "the edit changed nothing"; exit 1; fi
cat >"$work/row.cpp" <<CODE
#include "readers/python/layouts/layout_checks.h"
namespace snag::python {
namespace {
#include "row.inc"
}
}
CODE
status=0
LC_ALL=C "$compiler" -std=c++20 -fsyntax-only -I"$source_dir" -I"$work" "$work/row.cpp" >"$work/said" 2>&1 || status=$?
cat "$work/said"
if [[ -z $expected ]]; then exit "$status"; fi
if (( status == 0 )); then echo "it compiles"; exit 1; fi
grep -q "error:.*$expected" "$work/said" || { echo "not for the expected reason: $expected"; exit 1; }
