# Builds reference software from archives of its sources that you have:
#   make reference-codecs SOURCES=folder-of-archives PREFIX=folder-to-build-into
# The archives are named hm-*, vtm-*, libbpg-*, cool-chic-*; docs/reference_codecs.md says more.
# A package that is built already is left as it is.

SOURCES ?=
PREFIX ?= $(HOME)/reference
REFERENCE_BUILD := $(PREFIX)/build
REFERENCE_JOBS ?= $(JOBS)
# CMake 4 refuses the old projects without it
export CMAKE_POLICY_VERSION_MINIMUM ?= 3.5

.PHONY: test-reference reference-codecs reference-hm reference-vtm reference-libbpg reference-coolchic

reference-codecs: reference-hm reference-libbpg reference-vtm reference-coolchic
reference-hm: $(PREFIX)/hm/bin/TAppDecoderStatic
reference-vtm: $(PREFIX)/vtm/bin/DecoderAppStatic
reference-libbpg: $(PREFIX)/libbpg/bin/bpgdec
reference-coolchic: $(PREFIX)/coolchic/site/ready

# The tests of the two that build in minutes, by their real programs.
test-reference: reference-hm reference-libbpg $(VENV)/ready-dev
	OMP_NUM_THREADS=1 BENCH_HM=$(PREFIX)/hm BENCH_BPG=$(PREFIX)/libbpg \
	$(BIN)/python -m pytest -p no:xdist -rs tests/codecs/test_reference.py -k "hm or bpg"

# unpack(archive name, folder)
define unpack
@test -n "$(wildcard $(SOURCES)/$(1)-*.tar.*)" || { \
	echo "no archive $(1)-*.tar.* in SOURCES=$(SOURCES); docs/reference_codecs.md says where it comes from" >&2; exit 2; }
rm -rf "$(2)" && mkdir -p "$(2)"
tar -xf "$(lastword $(sort $(wildcard $(SOURCES)/$(1)-*.tar.*)))" -C "$(2)" --strip-components 1
endef

# all of it would build an analyser and converters too
HM_PARTS := $(addprefix lib/,TLibVideoIO TLibCommon TLibDecoder TLibEncoder TAppCommon) \
	app/TAppDecoder app/TAppEncoder

$(PREFIX)/hm/bin/TAppDecoderStatic:
	$(call unpack,hm,$(REFERENCE_BUILD)/hm)
	sed -i s/-Werror// $(REFERENCE_BUILD)/hm/build/linux/common/makefile.base
	for part in $(HM_PARTS); do \
		$(MAKE) -j $(REFERENCE_JOBS) -C $(REFERENCE_BUILD)/hm/build/linux/$$part release || exit; \
	done >$(REFERENCE_BUILD)/hm.log 2>&1
	mkdir -p $(@D) && cp -r $(REFERENCE_BUILD)/hm/cfg $(PREFIX)/hm/
	cp $(REFERENCE_BUILD)/hm/bin/TAppEncoderStatic $(REFERENCE_BUILD)/hm/bin/TAppDecoderStatic $(@D)

$(PREFIX)/vtm/bin/DecoderAppStatic:
	$(call unpack,vtm,$(REFERENCE_BUILD)/vtm)
	cmake -S $(REFERENCE_BUILD)/vtm -B $(REFERENCE_BUILD)/vtm/build -DCMAKE_BUILD_TYPE=Release \
		-DCMAKE_CXX_FLAGS="-w -Wno-error" >$(REFERENCE_BUILD)/vtm.log
	$(MAKE) -j $(REFERENCE_JOBS) -C $(REFERENCE_BUILD)/vtm/build EncoderApp DecoderApp >>$(REFERENCE_BUILD)/vtm.log 2>&1
	mkdir -p $(@D) && cp -r $(REFERENCE_BUILD)/vtm/cfg $(PREFIX)/vtm/
	cp $$(find $(REFERENCE_BUILD)/vtm/bin -type f -name '[ED]*coderAppStatic') $(@D)

$(PREFIX)/libbpg/bin/bpgdec:
	$(call unpack,libbpg,$(REFERENCE_BUILD)/libbpg)
	# the jctvc encoder keeps its planes in /tmp, which an isolated program may not write
	sed -i 's|"/tmp/"|"./"|' $(REFERENCE_BUILD)/libbpg/jctvc_glue.cpp
	sed -i -e 's/^USE_BPGVIEW=y/#&/' -e 's/^#USE_JCTVC=y/USE_JCTVC=y/' $(REFERENCE_BUILD)/libbpg/Makefile
	$(MAKE) -j $(REFERENCE_JOBS) -C $(REFERENCE_BUILD)/libbpg >$(REFERENCE_BUILD)/libbpg.log 2>&1
	mkdir -p $(@D) && cp $(REFERENCE_BUILD)/libbpg/bpgenc $(REFERENCE_BUILD)/libbpg/bpgdec $(@D)

# scripts in Python: they run with this project's interpreter and torch, and packages of their own
$(PREFIX)/coolchic/site/ready: $(VENV)/ready
	$(call unpack,cool-chic,$(PREFIX)/coolchic)
	$(BIN)/python -m pip install --quiet --no-deps --target $(@D) einops fvcore iopath portalocker \
		tabulate termcolor yacs ConfigArgParse constriction==0.4.2
	touch $@
