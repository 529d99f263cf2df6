# Checkpoints that are broken in one way or another: an error of its class, and the session goes on.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Path qw(remove_tree);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('bad');
my $directory = PostgreSQL::Test::Utils::tempdir() . '/bad';
my $path = quote_path($directory);
my $weight = 'embeddings.word_embeddings.weight';

# Change a JSON file of the checkpoint.
sub edit_json
{
	my ($name, $edit) = @_;
	my $value = decode_json(slurp_raw("$directory/$name"));

	$edit->($value);
	write_raw("$directory/$name", encode_json($value));
}

sub config
{
	my (%values) = @_;

	return sub { edit_json('config.json', sub { my ($c) = @_; @{$c}{ keys %values } = values %values; }) };
}

sub header
{
	my ($edit) = @_;

	return sub { edit_header($directory, $edit) };
}

sub file
{
	my ($name, $bytes) = @_;

	return sub { write_raw("$directory/$name", $bytes) };
}

sub cut
{
	my ($name, $size) = @_;

	return sub { truncate "$directory/$name", $size };
}

my @cases = (
	[ 'no directory', '58P01', sub { remove_tree($directory) } ],
	[ 'a file instead', '58P01|58030|XX001', sub { remove_tree($directory); write_raw($directory, 'x') } ],
	[ 'neither config.json nor tokenizer', '58P01', sub { unlink map { "$directory/$_" } qw(config.json tokenizer.json) } ],
	[ 'neither weights nor tokenizer', '58P01', sub { unlink map { "$directory/$_" } qw(model.safetensors tokenizer.json) } ],
	[ 'a missing part of the weights', '58P01', sub { unlink "$directory/model.safetensors"; write_raw("$directory/model.safetensors.index.json", '{"weight_map": {"a": "b.safetensors"}}') } ],
	[ 'empty config.json', 'XX001', file('config.json', '') ],
	[ 'config.json that is no JSON', 'XX001', file('config.json', '{"model_type": "bert",') ],
	[ 'config.json that is no object', 'XX001', file('config.json', '[1, 2]') ],
	[ 'config.json nested deep', 'XX001', file('config.json', '[' x 100000) ],
	[ 'no model_type', 'XX001|0A000', file('config.json', '{}') ],
	[ 'unknown architecture without a tokenizer', '0A000', sub { config(model_type => 'berd', architectures => ['BerdModel'])->(); unlink "$directory/tokenizer.json" } ],
	[ 'hidden size of 0', 'XX001', config(hidden_size => 0) ],
	[ 'huge hidden size', 'XX001|54000', config(hidden_size => 2**40) ],
	[ 'another hidden size', 'XX001', config(hidden_size => 32) ],
	[ 'heads that do not divide', 'XX001', config(num_attention_heads => 3) ],
	[ 'more layers', 'XX001', config(num_hidden_layers => 3) ],
	[ 'many layers', 'XX001|54000', config(num_hidden_layers => 2**31 - 1) ],
	[ 'a word for a number', 'XX001', config(hidden_size => 'many') ],
	[ 'unknown activation', '0A000|XX001', config(hidden_act => 'sigmoidish') ],
	[ 'vocabulary smaller than the tokenizer', 'XX001', config(vocab_size => 100) ],
	[ 'empty weights', 'XX001', cut('model.safetensors', 0) ],
	[ 'weights cut off in the header', 'XX001', cut('model.safetensors', 100) ],
	[ 'weights cut off in the data', 'XX001', sub { truncate "$directory/model.safetensors", (-s "$directory/model.safetensors") - 4 } ],
	[ 'a header longer than the file', 'XX001', file('model.safetensors', pack('Q<', 1000) . '{}') ],
	[ 'a header of 2^63 bytes', 'XX001', file('model.safetensors', pack('Q<', 2**63) . '{}') ],
	[ 'a header that is no JSON', 'XX001', file('model.safetensors', pack('Q<', 8) . 'nonsense') ],
	[ 'a missing tensor', 'XX001', header(sub { delete $_[0]{'encoder.layer.0.attention.self.query.weight'} }) ],
	[ 'overlapping tensors', 'XX001', header(sub { $_[0]{$weight}{data_offsets} = [ 0, 141 * 16 * 4 ] }) ],
	[ 'offsets beyond the file', 'XX001', header(sub { $_[0]{$weight}{data_offsets} = [ 2**40, 2**40 + 141 * 16 * 4 ] }) ],
	[ 'offsets in the wrong order', 'XX001', header(sub { $_[0]{$weight}{data_offsets} = [ 100, 0 ] }) ],
	[ 'a shape that its bytes do not have', 'XX001', header(sub { $_[0]{$weight}{shape} = [ 141, 17 ] }) ],
	[ 'a shape that overflows', 'XX001|54000', header(sub { $_[0]{$weight}{shape} = [ 2**32, 2**32 ] }) ],
	[ 'a shape that does not fit the config', 'XX001', header(sub { $_[0]{$weight}{shape} = [ 16, 141 ] }) ],
	[ 'a negative shape', 'XX001', header(sub { $_[0]{$weight}{shape} = [ -141, -16 ] }) ],
	[ 'an unknown dtype', 'XX001|0A000', header(sub { $_[0]{$weight}{dtype} = 'F31' }) ],
	[ 'tokenizer.json that is no JSON', 'XX001', file('tokenizer.json', '{') ],
	[ 'tokenizer.json without a model', 'XX001|0A000', sub { edit_json('tokenizer.json', sub { delete $_[0]{model} }) } ],
	[ 'a token id out of range', 'XX001', sub { edit_json('tokenizer.json', sub { $_[0]{model}{vocab}{hello} = 1000000 }) } ],
	[ 'modules.json that is no JSON', 'XX001', file('modules.json', 'x') ],
	[ 'an unknown module', '0A000|XX001', sub { edit_json('modules.json', sub { $_[0][1]{type} = 'x.y.Unknown' }) } ],
	[ 'a module outside', 'XX001', sub { edit_json('modules.json', sub { $_[0][1]{path} = '../../etc' }) } ],
	[ 'an unknown pooling', 'XX001|0A000', sub { edit_json('1_Pooling/config.json', sub { $_[0]{pooling_mode_other_tokens} = JSON::PP::true }) } ],
	[ 'a file that may not be read', '42501', sub { chmod 0, "$directory/model.safetensors" } ],
	[ 'a link to itself', '58P01|58030', sub { unlink "$directory/config.json"; symlink 'config.json', "$directory/config.json" } ],
	[ 'a directory for a file', '22023|XX001|58030|58P01', sub { unlink "$directory/config.json"; mkdir "$directory/config.json" } ],
);

$node->safe_psql('postgres', 'SELECT tfm_load_model($$good$$, ' . quote_path(golden('sentence/mean')) . ')');
my $good = q{SELECT cardinality(tfm_tokenize('good', 'hello'))};
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');

for my $case (@cases)
{
	my ($name, $expected, $break) = @$case;

	remove_tree($directory) if -d $directory;
	unlink $directory;
	copy_checkpoint('sentence/mean', $directory);
	$break->();
	my ($sqlstate, $message) = sql_error($node, "SELECT tfm_load_model('bad', $path)");
	ok($sqlstate =~ /^(?:$expected)$/, "$name: $expected") or diag("$sqlstate: $message");
	like($message, qr/\Q$directory\E|model\.safetensors|config\.json|"[^"]+"/, 'names what is at fault');
	$node->safe_psql('postgres', q{SELECT tfm_drop_model('bad')}) if $sqlstate eq '';
	# The same in one session, which goes on.
	$session->query("SELECT tfm_tokenize($path, 'x')") for 1 .. 2;
	is($session->query("$good, pg_backend_pid() = $pid"), '3|t', 'the session goes on');
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM tfm_models WHERE name = 'bad'}), '0',
	'none was registered');

# A model without a tokenizer that we know can do what needs none.
my @tokenizers = (
	[ 'no tokenizer.json', '0A000', sub { unlink "$directory/tokenizer.json" } ],
	[ 'an unknown tokenizer', '0A000', sub { edit_json('tokenizer.json', sub { $_[0]{model}{type} = 'Unknown' }) } ],
);
for my $case (@tokenizers)
{
	my ($name, $expected, $break) = @$case;

	remove_tree($directory) if -d $directory;
	unlink $directory;
	copy_checkpoint('sentence/mean', $directory);
	$break->();
	is($node->safe_psql('postgres', qq{SELECT jsonb_typeof(tfm_forward($path, '{"input_ids": [[2, 3]]}'))}),
		'object', "$name: a forward pass");
	is((sql_error($node, "SELECT tfm_tokenize($path, 'x')"))[0], $expected, 'tokenizing is an error');
}

# A tokenizer without weights that can be used can do what needs none.
my @weightless = (
	[ 'no config.json', '58P01', sub { unlink "$directory/config.json" } ],
	[ 'no weights', '58P01', sub { unlink "$directory/model.safetensors" } ],
	[ 'an unknown architecture', '0A000', config(model_type => 'berd', architectures => ['BerdModel']) ],
	[ 'an unknown head', '0A000', config(architectures => ['BertForThat']) ],
);
for my $case (@weightless)
{
	my ($name, $expected, $break) = @$case;

	remove_tree($directory) if -d $directory;
	copy_checkpoint('sentence/mean', $directory);
	$break->();
	is($node->safe_psql('postgres', "SELECT tfm_tokenize($path, 'hello')"), '{2,28,3}', "$name: tokens");
	is((sql_error($node, "SELECT tfm_embed($path, 'x')"))[0], $expected, 'an embedding is an error');
	is((sql_error($node, qq{SELECT tfm_forward($path, '{"input_ids": [[2, 3]]}')}))[0], $expected, 'and a forward pass');
}
my @leftovers = glob($node->data_dir . '/tfm/*.tmp');
is(scalar @leftovers, 0, 'nor the half of one');

$session->quit;
$node->stop;
done_testing();
