# Ids are looked up under tfm.model_path, also in the layout of Hugging Face's cache.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $root = PostgreSQL::Test::Utils::tempdir();
my ($plain, $cache) = ("$root/plain", "$root/cache");
my $repository = "$cache/models--org--cached";
my $node = start_node('model_path', conf => "tfm.model_path = '$plain:$cache'\n");
my $text = q{'The cat sat on the mat.'};

# What tfm_embed gives for a model; distinguishes the checkpoints.
sub embed
{
	my ($model) = @_;

	return $node->safe_psql('postgres', "SELECT tfm_embed('$model', $text)");
}

copy_checkpoint('sentence/mean', "$plain/org/name");
copy_checkpoint('sentence/cls', "$plain/single");
copy_checkpoint('sentence/max', "$cache/org/name");
copy_checkpoint('sentence/cls', "$repository/snapshots/aaaa");

my ($mean, $cls) = map { embed(golden("sentence/$_")) } 'mean', 'cls';
isnt($mean, $cls, 'the checkpoints differ');
is(embed('org/name'), $mean, 'org/name in the first directory that has it');
is(embed('single'), $cls, 'a name without an organisation');
is(embed('org/cached'), $cls, 'the only snapshot of a cache');

copy_checkpoint('sentence/mean', "$repository/snapshots/bbbb");
is((sql_error($node, "SELECT tfm_embed('org/cached', $text)"))[0], '42704',
	'two snapshots and no reference');
make_path("$repository/refs");
append_to_file("$repository/refs/main", 'bbbb');
is(embed('org/cached'), $mean, 'the snapshot of refs/main');
is(embed($repository), $mean, 'the same by the directory of the cache');
write_raw("$repository/refs/main", "aaaa\n");
is(embed('org/cached'), $cls, 'another reference');
for my $reference ('../snapshots/aaaa', '..', '', 'cccc', 'x' x 1000)
{
	write_raw("$repository/refs/main", $reference);
	is((sql_error($node, "SELECT tfm_embed('org/cached', $text)"))[0], '42704',
		'a reference to ' . (substr($reference, 0, 20) || 'nothing'));
}
write_raw("$repository/refs/main", 'bbbb');

is((sql_error($node, "SELECT tfm_embed('$_', $text)"))[0], '42704', "no id: $_")
  for '../plain/single', './single', 'org/../single', 'org//name', 'org/name/', '.hidden', 'org',
  'x' x 5000;

# A registered id is pinned, and follows the reference only when refreshed.
$node->safe_psql('postgres', q{SELECT tfm_load_model('by_id', 'org/cached')});
is(embed('by_id'), $mean, 'a model registered by its id');
write_raw("$repository/refs/main", 'aaaa');
is((sql_error($node, "SELECT tfm_embed('by_id', $text)"))[0], '55000', 'another snapshot is a change');
$node->safe_psql('postgres', q{SELECT tfm_refresh_model('by_id')});
is(embed('by_id'), $cls, 'and is accepted');

# All users may use what lies under tfm.model_path, and nothing else.
$node->safe_psql('postgres', 'CREATE ROLE someone');
is($node->safe_psql('postgres', "SET ROLE someone; SELECT tfm_embed('org/name', $text)"), $mean,
	'an id is for everybody');
is((sql_error($node, "SET ROLE someone; SELECT tfm_embed('$plain/org/name', $text)"))[0], '42501',
	'a directory is not');

$node->stop;
done_testing();
