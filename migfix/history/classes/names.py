"""Names that Django's own fields have or are asked for: any other one is the business of the class that has it."""

from __future__ import annotations

# Options that make no difference to what is loaded, stored and compared.
SHOWN = frozenset(
    "verbose_name help_text editable blank choices validators error_messages default serialize "
    "auto_created db_comment auto_now_add".split()
)
# What Django's own fields are made with, or go by: any other option or attribute is the class's own business.
OF_DJANGO = frozenset("""
    MAX_BIGINT allow_files allow_folders allow_unicode attname attr_class auto_created auto_creation_counter auto_now
    auto_now_add base_field blank cache_name cached_col cast_db_type check choices class_lookups clean clone
    column columns concrete context contribute_to_class contribute_to_related_class convert_empty_strings
    creation_counter db_check db_collation db_column db_comment db_constraint db_default db_index
    db_parameter db_parameters db_persist db_returning db_table db_tablespace db_type db_type_parameters
    db_type_suffix decimal_places decoder deconstruct default default_bounds default_error_messages default_validators
    delete_cached_value description descriptor_class do_related_class editable empty_strings_allowed
    empty_values encoder error_messages expression fields flatchoices foreign_related_fields form_class
    form_field formfield forward_related_accessor_class from_db_value from_fields generate_filename
    generated generated_sql get_attname get_attname_column get_cache_name get_cached_value get_choices
    get_class_lookups get_col get_db_converters get_db_prep_save get_db_prep_value get_default
    get_extra_descriptor_filter get_extra_restriction get_filter_kwargs_for_object get_foreign_related_value
    get_forward_related_filter get_instance_lookups get_instance_value_for_fields get_internal_type
    get_joining_columns get_joining_fields get_limit_choices_to get_local_related_value get_lookup
    get_lookups get_path_info get_pk_value_on_save get_placeholder get_placeholder_sql get_prep_value
    get_reverse_joining_columns get_reverse_joining_fields get_reverse_path_info get_reverse_related_filter
    get_transform has_db_default has_default has_null_arg height_field help_text hidden integer_field_class is_cached
    is_relation limit_choices_to local_related_fields many_to_many many_to_one match max_digits max_length
    merge_dicts model name non_db_attrs null on_delete one_to_many one_to_one opclasses output_field
    parent_link path path_infos pre_save primary_key protocol range_type recursive register_class_lookup
    register_instance_lookup register_lookup rel rel_class rel_db_type related_accessor_class related_fields
    related_model related_name related_query_name remote_field requires_unique_target resolve_related_fields
    reverse_path_infos reverse_related_fields run_validators save_form_data select_format serialize
    set_attributes_from_name set_attributes_from_rel set_cached_value size slice_expression storage
    swappable swappable_setting symmetrical system_check_deprecated_details system_check_removed_details
    target_field through through_fields to to_field to_fields to_python unique unique_for_date
    unique_for_month unique_for_year unpack_ipv4 update_dimension_fields upload_to validate validators
    value_from_object value_to_string verbose_name width_field

    _built_with_as_manager _check _choices _choices_is_value _clear_cached_class_lookups _committed _db
    _db_default_expression _db_tablespace _default_hint _del_file _description _dimensions_cache _error_messages
    _extent _file _from_db_value _get_FIELD_display _get_default _get_field_name _get_flatchoices _get_lookup
    _get_m2m_attr _get_m2m_db_table _get_m2m_reverse_attr _get_naive_now _get_next_or_previous_by_FIELD
    _get_path_info _get_set_deprecation_msg_params _limit_choices_to _load_field _load_func _meta
    _output_field_or_none _primary_key_set_explicitly _proxy____cast _query _related_name _related_query_name
    _require_file _set_file _srid_cache _srs _state _storage_callable _subclasses _to_naive _tolerance _unique
    _unregister_class_lookup _unregister_instance_lookup _unregister_lookup _validators _verbose_name
    """.split())

# What Django looks for besides, on fields and on what may stand where a field does.
LOOKED_FOR = frozenset("""
    alias allowed_default as_sql asc bulk_related_objects check_field_type conditional
    constraint_validation_compatible contains_aggregate contains_column_references contains_over_clause
    content_type content_type_field_name copy ct_field desc dim extent field field_name field_names fk_field
    flatten for_concrete_model geodetic geography geom_class geom_type get_accessor_name get_cols
    get_content_type get_expression_for_validation get_group_by_cols get_normalized_value get_prep_lookup
    get_related_field get_source_expressions instance_lookups m2m_column_name m2m_db_table m2m_field_name
    m2m_reverse_field_name m2m_reverse_name m2m_target_field_name max_geom_collections mti_inherited multiple
    object_id_field_name parent prepare_database_save private_only referenced_fields relabeled_clone
    replace_expressions resolve resolve_expression set_field_name set_source_expressions set_wrapper_classes
    spatial_index spheroid srid tolerance units_name use_in_migrations
    """.split())
